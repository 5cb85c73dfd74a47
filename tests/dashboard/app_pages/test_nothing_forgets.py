"""A setting stays when its control leaves the page: with a panel, a tab, another method, another page."""

from urllib.parse import parse_qsl

import pytest

from tests.support.page_app import fine, pictures, query_of, settled, show

pytestmark = pytest.mark.slow


def test_the_filters_of_the_atlas_outlive_a_look_at_one_channel(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits"}))
    assert query_of(app)["show"] == "atlas"
    fine(app.selectbox(key="channels.sort").select("max").run())
    fine(app.selectbox(key="channels.opened").select("conv2").run())
    link = query_of(app)
    card = fine(show("channels", {**link, "show": "channel", "layer": "conv2", "channel": 3}))
    assert query_of(card)["sort"] == "max"
    back = fine(next(each for each in card.button if each.label == "Atlas").click().run())
    said = query_of(back)
    assert (said["show"], said["sort"], said["opened"], said["channel"]) == ("atlas", "max", "conv2", "3")


def test_the_colour_and_the_seams_of_the_map_outlive_the_way_it_is_shown(store, serve):
    serve(store)
    app = fine(show("map", {"store": "digits", "map": "pca"}))
    fine(app.selectbox(key="map.color").select("predicted").run())
    fine(app.segmented_control(key="map.show").set_value("grid").run())
    fine(app.toggle(key="map.seams").set_value(True).run())
    fine(app.segmented_control(key="map.show").set_value("points").run())
    for _ in range(2):
        app = fine(app.run())
        assert (query_of(app)["color"], query_of(app)["seams"]) == ("predicted", "1")
    app = fine(app.segmented_control(key="map.show").set_value("grid").run())
    assert app.toggle(key="map.seams").value is True and query_of(app)["color"] == "predicted"


def test_a_method_is_as_it_was_left_and_so_is_the_link(store, serve):
    serve(store)
    app = fine(show("lab", {"store": "digits", "image": 3, "method": "fool"}))
    fine(app.number_input(key="lab.fool.epsilon").set_value(16.0).run())
    app = fine(app.pills(key="lab.method").set_value("dream").run())
    link = query_of(app)
    assert link["method"] == "dream" and link["fool.epsilon"] == "16.0"
    for each in (app, show("lab", link)):
        each = fine(each.pills(key="lab.method").set_value("fool").run())
        assert each.number_input(key="lab.fool.epsilon").value == 16.0
        assert "fool.epsilon" not in query_of(each) and query_of(each)["p.epsilon"] == "16.0"


def test_a_tab_of_the_image_is_as_it_was_left(store, serve):
    serve(store)
    app = settled(fine(show("image", {"store": "digits", "image": 7, "tab": "saliency"})))
    app = settled(fine(app.segmented_control(key="image.saliency.variant").set_value("gradcam").run()))
    app = settled(fine(app.selectbox(key="image.layer").select("conv2").run()))
    for tab in ("occlusion", "segmentation", "glance", "live"):
        app = settled(fine(app.segmented_control(key="image.tab").set_value(tab).run()))
    assert query_of(app)["layer"] != "conv2"
    app = settled(fine(app.segmented_control(key="image.tab").set_value("saliency").run()))
    assert (query_of(app)["p.variant"], query_of(app)["layer"]) == ("gradcam", "conv2")


def test_grad_cam_is_not_of_the_channels_layer(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits", "layer": "conv2", "channel": 3}))
    (link,) = {each.proto.query_string for each in app.get("page_link") if each.proto.label == "Image"}
    query = dict(parse_qsl(link)) | {"tab": "saliency"}
    app = settled(fine(show("image", query)))
    assert "Layer" not in labels(app)
    app = settled(fine(app.segmented_control(key="image.saliency.variant").set_value("gradcam").run()))
    assert app.selectbox(key="image.layer").value == "" and "layer" not in query_of(app)
    app = settled(fine(app.segmented_control(key="image.tab").set_value("live").run()))
    assert (query_of(app)["layer"], query_of(app)["channel"]) == ("conv2", "3")


def test_the_ascent_of_a_class_has_no_image(store, serve):
    serve(store)
    query = {"store": "digits", "method": "ascend", "target": "5", "p.iterations": 2, "live": 1}
    app = settled(fine(show("lab", {**query, "image": 0})))
    assert "Image" not in labels(app) and "Class" in labels(app)
    shown = pictures(app)
    assert shown and pictures(fine(show("lab", {**query, "image": 5}))) == shown
    app = fine(app.selectbox(key="lab.layer").select("conv2").run())
    assert {"Image", "Channel", "Layer"} <= labels(app) and "Class" not in labels(app)


def labels(app):
    return {each.label for each in (*app.number_input, *app.selectbox)}
