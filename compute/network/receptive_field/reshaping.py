"""Rules for operations that rearrange, cut, join or sum up the dimensions of a tensor."""

from dataclasses import replace

from compute.network.receptive_field.call import AxisView, Call, broadcast, concrete, join, kept_dim


def unchanged(call: Call, view: AxisView) -> AxisView:
    return view


def everything(call: Call, view: AxisView) -> AxisView:
    return call.everything()


def mix_places(call: Call, view: AxisView) -> AxisView:
    """Group and instance norm: their mean and variance are over all places."""
    return call.merged(view, view.dim)


def layer_norm(call: Call, view: AxisView) -> AxisView:
    """Over the last dimensions."""
    shape = tuple(call.argument("normalized_shape", 1))
    return call.merged(view, view.dim) if view.dim >= len(call.before) - len(shape) else view


def mix_along(call: Call, view: AxisView) -> AxisView:
    """Softmax: along its dimension each unit of the result reads all units."""
    return call.merged(view, view.dim) if view.dim in call.dims("dim", 1, -1) else view


def normalize(call: Call, view: AxisView) -> AxisView:
    return call.merged(view, view.dim) if view.dim in call.dims("dim", 2, 1) else view


def linear(call: Call, view: AxisView) -> AxisView:
    """Mixes the last dimension."""
    return call.merged(view, None) if view.dim == len(call.before) - 1 else view


def reduce(call: Call, view: AxisView) -> AxisView:
    """Sums, means and maxima over some dimensions."""
    over, kept = call.dims("dim", 1), len(call.after) == len(call.before)
    if view.dim in over:
        return call.merged(view, view.dim if kept else None)
    return view if kept else replace(view, dim=view.dim - sum(each < view.dim for each in over))


def reshape(call: Call, view: AxisView) -> AxisView:
    """The axis stays where one dimension is still it alone; else it is mixed with others."""
    if call.before[view.dim] == 1:
        return replace(view.fixed(), dim=None)
    dim = kept_dim(view, call.before, call.after)
    return call.merged(view, None) if dim is None else replace(view, dim=dim)


def permute(call: Call, view: AxisView) -> AxisView:
    return replace(view, dim=call.dims("dims", 1).index(view.dim))


def transpose(call: Call, view: AxisView) -> AxisView:
    first, second = (call.argument(f"dim{each}", 1 + each) % len(call.before) for each in range(2))
    return replace(view, dim={first: second, second: first}.get(view.dim, view.dim))


def flip(call: Call, view: AxisView) -> AxisView:
    if view.dim not in call.dims("dims", 1):
        return view
    return replace(view, field=view.field.reversed(call.before[view.dim]))


def repeat(call: Call, view: AxisView) -> AxisView:
    """Expanding repeats a dimension of length 1, which sees the same everywhere; tiling repeats a whole
    map."""
    dim = view.dim + len(call.after) - len(call.before)
    if call.before[view.dim] in (1, call.after[dim]):
        return broadcast(view, call.before, call.after)
    return call.merged(view, dim)


def split(call: Call, view: AxisView) -> AxisView:
    """Into pieces: along another dimension, each sees what the whole sees."""
    return call.merged(view, view.dim) if view.dim in call.dims("dim", 2, 0) else view


def unbind(call: Call, view: AxisView) -> AxisView:
    (along,) = call.dims("dim", 1, 0)
    return call.merged(view, None) if view.dim == along else replace(view, dim=view.dim - (view.dim > along))


def index(call: Call, view: AxisView) -> AxisView:
    """Integers, slices, `None` and `...`; other keys read anything."""
    keys = concrete(call.node.args[1])
    keys = keys if isinstance(keys, tuple) else (keys,)
    if not all(key is None or key is Ellipsis or isinstance(key, int | slice) for key in keys):
        return call.everything()
    old = new = 0
    for key in _all_keys(keys, len(call.before)):
        if key is not None and old == view.dim:
            return _cut(view, key, call.before[old], new)
        old += key is not None
        new += not isinstance(key, int)
    return replace(view, dim=new)


def concatenate(call: Call, views: list[AxisView]) -> AxisView:
    """Side by side along the axis, a unit may be of any piece; along another dimension the pieces overlay."""
    stacked = call.name == "stack"
    (along,) = call.dims("dim", 1, 0, ndim=len(call.after))
    moved = []
    for view in views:
        if view.dim is not None and stacked:
            view = replace(view, dim=view.dim + (view.dim >= along))
        elif view.dim == along:
            view = AxisView(along, view.field.merged(call.after[along], call.extent))
        moved.append(view)
    return join(call, moved)


def _cut(view: AxisView, key: int | slice, length: int, dim: int) -> AxisView:
    if isinstance(key, int):
        return replace(AxisView(None, view.field.window(1, padding=-(key % length))).fixed(), dim=None)
    start, _, step = key.indices(length)
    return AxisView(dim, view.field.window(1, step, padding=-start))


def _all_keys(keys: tuple, ndim: int) -> tuple:
    """`keys` with a slice in place of each dimension that `...`, or the end, leaves out."""
    left_out = (slice(None),) * (ndim - sum(key is not None and key is not Ellipsis for key in keys))
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    return (*keys[:at], *left_out, *keys[at + 1 :])
