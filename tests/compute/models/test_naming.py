"""Names of models, told without the library that they are looked for in."""

import pytest

from compute.demo.networks import NETWORKS
from compute.models import naming
from compute.runtime.vision import models
from compute.runtime.vision_layers import prepare_torchvision


def test_torchvisions_networks_are_read_as_it_registers_them():
    assert naming.torchvision_names() == tuple(models.list_models(module=models))


@pytest.mark.slow
def test_timms_networks_are_read_as_it_registers_them():
    prepare_torchvision()
    timm = pytest.importorskip("timm")
    names = naming.timm_names()
    assert set(timm.list_models()) <= set(names)
    assert [name for name in names if not timm.is_model(name)] == []


@pytest.mark.parametrize("module", ["my_timm", "torchvision_x", "hf2"])
def test_users_modules_may_be_called_almost_as_libraries_are(module, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"unknown model '{module}:make'"):
        naming.check_model(f"{module}:make")
    (tmp_path / f"{module}.py").write_text("raise SystemExit('imported')")
    naming.check_model(f"{module}:make")


def test_embedded_networks_have_names():
    assert set(naming.EMBEDDED) == {naming.EFFICIENTNET_LITE0, *NETWORKS}


@pytest.mark.parametrize(
    "name", ["demo", "torchvision:resnet18", "timm:resnet18.a1_in1k", "hf:some/where", "package.module:f"]
)
def test_what_may_be_a_name_passes(name):
    naming.check_model(name)


def test_a_library_that_is_not_installed_has_the_word_itself(monkeypatch):
    monkeypatch.setattr(naming, "_registered", lambda library: ())
    naming.check_model("timm:anything")
    naming.check_model("torchvision:anything")
