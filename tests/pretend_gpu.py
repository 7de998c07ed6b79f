"""A GPU that is none: tensors say they are on ``cuda:0`` and obey its rules, their numbers live on the CPU.

What goes wrong the first time code meets a GPU shows here without one: operations between host and device, device
tensors handed to NumPy, Triton or torch functions that wait unnoticed, sums whose order a GPU does not fix. How fast
anything is, and CUDA's own arithmetic, does not show.

    with pretend_gpu() as gpu:
        tracker.to("cuda:0").track(detections.to("cuda:0"))
    gpu.peak_bytes, gpu.unordered, gpu.waits
"""

# ruff: noqa: ANN401 - torch hands over and takes back anything

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from sushi_lg.benchmark.waits import waits_of

GPU = torch.device("cuda:0")

# Numbers of a CPU tensor without dimensions travel with the launch of these; others want everything on the device.
_ELEMENTWISE = frozenset(
    "add add_ sub sub_ rsub mul mul_ div div_ maximum minimum pow pow_ where lt le gt ge eq ne fill_ masked_fill "
    "masked_fill_ clamp clamp_ clamp_min clamp_min_ clamp_max clamp_max_ bitwise_and bitwise_or bitwise_xor "
    "logical_and logical_or remainder floor_divide copy_ index_put_ _index_put_impl_ lerp atan2".split()
)
# Between two devices by their nature.
_BETWEEN = frozenset({"copy_", "_to_copy"})
_INDEXING = frozenset("index index_put index_put_ _index_put_impl_".split())
# With atomic additions or scans whose order changes from run to run, for numbers that are no integers (see
# torch.use_deterministic_algorithms).
_UNORDERED = frozenset("index_add index_add_ scatter_add scatter_add_ bincount histc put_ median kthvalue".split())
_ATOMIC_REDUCTIONS = frozenset("scatter_reduce scatter_reduce_ index_reduce index_reduce_".split())


# What a number is made of, asked for from Python.
_NUMBERS = (Tensor.tolist, Tensor.item, Tensor.__float__, Tensor.__int__, Tensor.__bool__, Tensor.__index__)


_WHERE: dict[Any, object] = {
    Tensor.device.__get__: GPU,  # type: ignore[attr-defined]
    Tensor.is_cuda.__get__: True,  # type: ignore[attr-defined]
    Tensor.is_cpu.__get__: False,  # type: ignore[attr-defined]
    Tensor.get_device: 0,
}
_MOVES = (Tensor.to, Tensor.cpu, Tensor.cuda)


class HostMixedWithDevice(AssertionError):
    """An operation got tensors of both; on a GPU it would fail."""


class OnGpu(Tensor):
    """A tensor that says it is on a GPU.

    Attributes:
        inner: its numbers, on the CPU.
    """

    inner: Tensor

    @staticmethod
    def __new__(cls: type[OnGpu], inner: Tensor) -> OnGpu:
        assert not isinstance(inner, OnGpu)
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device="cpu",  # to C++, which knows no GPU; ``_Calls`` tells Python
            requires_grad=False,
        )
        made.inner = inner
        gpu = _active
        if gpu is not None:
            gpu.hold(made)
        return made

    def __repr__(self, **_: object) -> str:
        return f"OnGpu({self.inner!r})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


@dataclass
class PretendedGpu:
    """What happened on it.

    Attributes:
        waits: by operation, how often the host waited for the device.
        unordered: by operation and place in the sources, sums of fractions in no fixed order.
        bytes: held now.
        peak_bytes: held at the worst moment.
        memory: bytes that can be held; more is refused as PyTorch refuses it.
    """

    waits: Counter[str] = field(default_factory=Counter)
    unordered: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    peak_bytes: int = 0
    memory: int = 80 << 30
    _held: Counter[int] = field(default_factory=Counter)

    def hold(self, tensor: OnGpu) -> None:
        """Count the storage of a tensor until nothing refers to it."""
        storage = tensor.inner.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if not address:
            return
        if not self._held[address]:
            if self.bytes + size > self.memory:
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes")
            self.bytes += size
            self.peak_bytes = max(self.peak_bytes, self.bytes)
        self._held[address] += 1
        weakref.finalize(tensor, self._let_go, address, size)

    def _let_go(self, address: int, size: int) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
            self.bytes -= size


_active: PretendedGpu | None = None
_in_backward = False


@contextmanager
def _backward() -> Iterator[None]:
    global _in_backward
    _in_backward = True
    try:
        yield
    finally:
        _in_backward = False


@contextmanager
def pretend_gpu(memory: int = 80 << 30) -> Iterator[PretendedGpu]:
    """Let ``cuda:0`` with so many bytes exist in this thread."""
    global _active
    before = (
        torch.cuda._lazy_init,
        torch.cuda.is_available,
        torch.cuda.device_count,
        torch.cuda.is_bf16_supported,
        torch.cuda.mem_get_info,
        torch.inference_mode.__enter__,
        torch.inference_mode.__exit__,
    )
    assert not before[1](), "there is a real one: test with that"
    gpu = PretendedGpu(memory=memory)
    torch.cuda._lazy_init = lambda: None
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda.is_bf16_supported = lambda *_, **__: True
    torch.cuda.mem_get_info = lambda *_: (gpu.memory - gpu.bytes, gpu.memory)
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # parameters become tensors of another class
    # Tensors of inference mode cannot be views of a subclass; without gradients the operations are the same.
    torch.inference_mode.__enter__ = _enter_no_grad  # type: ignore[method-assign]
    torch.inference_mode.__exit__ = _exit_no_grad  # type: ignore[method-assign]
    _active = gpu
    try:
        with _Calls(), _Operations():
            yield gpu
    finally:
        _active = None
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
        (
            torch.cuda._lazy_init,
            torch.cuda.is_available,
            torch.cuda.device_count,
            torch.cuda.is_bf16_supported,
            torch.cuda.mem_get_info,
            torch.inference_mode.__enter__,  # type: ignore[method-assign]
            torch.inference_mode.__exit__,  # type: ignore[method-assign]
        ) = before


@contextmanager
def some_gpu() -> Iterator[PretendedGpu | None]:
    """Yield None where there is a real GPU, else pretend one."""
    if torch.cuda.is_available():
        yield None
        return
    with pretend_gpu() as gpu:
        yield gpu


def _enter_no_grad(self: Any) -> None:
    self._instead = torch.set_grad_enabled(False) if self.mode else None
    self._before = self._instead.prev if self._instead is not None else None


def _exit_no_grad(
    self: Any, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    if self._before is not None:
        torch.set_grad_enabled(self._before)


class _Calls(TorchFunctionMode):
    """Calls that reach no operation, or only after they have looked at where the numbers are."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor, torch.from_numpy):
            device = kwargs.pop("device", None)
            if args and isinstance(args[0], OnGpu):
                made: Tensor = args[0]
            elif args and isinstance(args[0], list | tuple):
                numbers = tree_map(_looked_at, args[0])
                made = func(numbers, *args[1:], **kwargs)
            else:
                made = func(*args, **kwargs)
            return made if device is None else _moved(Tensor.to, (made, device), {})
        if func is Tensor.new_tensor and isinstance(args[0], OnGpu):
            return _moved(Tensor.to, (torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)), GPU), {})
        if func in _WHERE and isinstance(args[0], OnGpu):
            return _WHERE[func]
        if func in _MOVES and isinstance(args[0], Tensor):
            return _moved(func, args, kwargs)
        if func in _NUMBERS and isinstance(args[0], OnGpu):
            _wait(func.__name__)
            return func(args[0].inner)
        if func in (Tensor.numpy, Tensor.__array__) and isinstance(args[0], OnGpu):
            raise HostMixedWithDevice("NumPy of a device tensor")
        if func is Tensor.pin_memory:
            return args[0]
        if func in (Tensor.backward, torch.autograd.grad):
            outputs = tuple(args[0]) if isinstance(args[0], list | tuple) else (args[0],)
            inputs = tuple(args[1]) if len(args) > 1 else ()
            with self, _backward():  # our own backward passes are Python that asks where it is
                return _engine_run_backward(
                    outputs,
                    tuple(map(torch.ones_like, outputs)),
                    False,  # keep the graph
                    False,  # gradients of gradients
                    inputs,
                    allow_unreachable=True,
                    accumulate_grad=not inputs,
                )
        return func(*args, **kwargs)


def _moved(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Return what ``to``, ``cpu`` and ``cuda`` do: C++ takes everything to be on the CPU already."""
    tensor, *given = args
    device, others = kwargs.pop("device", None), []
    if func is not Tensor.to:
        device, given = ("cpu" if func is Tensor.cpu else GPU), []
    for value in given:
        if isinstance(value, Tensor):
            device, kwargs["dtype"] = value.device, value.dtype
        elif isinstance(value, str | torch.device | int) and not isinstance(value, bool):
            device = value
        elif isinstance(value, bool):
            kwargs.setdefault("non_blocking", value)
        elif value is not None:
            others.append(value)
    is_here = isinstance(tensor, OnGpu)
    goes = is_here if device is None else torch.device(device).type == "cuda"
    wait = not kwargs.get("non_blocking", False)
    moved: Tensor = Tensor.to(tensor, *others, **kwargs) if others or kwargs else tensor
    if is_here == goes:
        return moved
    if wait:
        _wait("copy to the device" if goes else "copy to the host")
    return torch.ops.aten._to_copy.default(moved, device=GPU if goes else torch.device("cpu"))  # type: ignore[no-any-return]


class _Operations(TorchDispatchMode):
    """Makes tensors on the GPU where they are asked for there."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = func.overloadpacket.__name__
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    here = [value for value in tensors if isinstance(value, OnGpu)]
    on_gpu = bool(here)
    if "device" in kwargs and kwargs["device"] is not None:
        # The formulas of gradients ask for zeros where C++ takes the gradient to be.
        by_formula = _in_backward and name != "_to_copy" and len(here) == len(tensors)
        on_gpu = by_formula or torch.device(kwargs["device"]).type == "cuda"
        if on_gpu:
            kwargs = {
                **kwargs,
                "device": torch.device("cpu"),
                **({"pin_memory": False} if "pin_memory" in kwargs else {}),
            }
    _check(name, args, tensors, here)
    _note(name, args, kwargs, tensors, here)
    plain_args, plain_kwargs = tree_map(_inner, (args, kwargs))
    result = func(*plain_args, **plain_kwargs)
    if name == "copy_":
        return args[0]
    if not on_gpu:
        return result
    if name.endswith("_") and not name.endswith("__") and args and isinstance(args[0], OnGpu):
        return args[0]
    if "out" in kwargs and isinstance(kwargs["out"], OnGpu):
        return kwargs["out"]
    if name in ("_to_copy", "to") and not here and result is plain_args[0]:
        result = result.clone()
    return tree_map(lambda value: OnGpu(value) if isinstance(value, Tensor) else value, result)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, OnGpu) else value


def _check(name: str, args: tuple[Any, ...], tensors: list[Tensor], here: list[OnGpu]) -> None:
    if not here or len(here) == len(tensors) or name in _BETWEEN:
        return
    hosts = [value for value in tensors if not isinstance(value, OnGpu)]
    if name in _INDEXING and isinstance(args[0], OnGpu):  # positions may come from the host, with a copy
        positions = [value for value in tree_flatten(args[1])[0] if isinstance(value, Tensor)]
        if any(not isinstance(value, OnGpu) for value in positions):
            _wait(f"{name} by positions of the host")
        hosts = [value for value in hosts if not any(value is one for one in positions)]
    if not hosts:
        return
    if name in _ELEMENTWISE and all(value.dim() == 0 for value in hosts):
        return
    shapes = [tuple(value.shape) for value in hosts]
    raise HostMixedWithDevice(f"{name}: tensors of shapes {shapes} are on the host, others on the device")


def _note(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Tensor], here: list[OnGpu]) -> None:
    if not here or _active is None:
        return
    for _ in range(waits_of(name, args, kwargs)):
        _wait(name)
    if name == "copy_" and len(here) != len(tensors):
        _wait("copy_ between host and device")
    values = here[-1]
    fractions = values.dtype.is_floating_point
    sums = name in _UNORDERED or (
        name in _ATOMIC_REDUCTIONS and not {"amax", "amin"} & {value for value in args if isinstance(value, str)}
    )
    one_row = name == "cumsum" and values.dim() == 1  # over many columns every one is added up by itself
    repeats = name in _INDEXING and bool(kwargs.get("accumulate") or (len(args) > 3 and args[3]))
    if fractions and (sums or one_row or repeats):
        _active.unordered[f"{name} at {_place()}"] += 1


def _wait(name: str) -> None:
    if _active is not None:
        _active.waits[name] += 1


def _place() -> str:
    """Return where in the project the running operation was asked for."""
    import traceback

    for frame in reversed(traceback.extract_stack()):
        if "/sushi_lg/" in frame.filename or "/semantic/" in frame.filename:
            return f"{frame.filename.rpartition('/')[2]}:{frame.name}"
    return "nowhere"


def _looked_at(value: Any) -> Any:
    if not isinstance(value, OnGpu):
        return value
    _wait("tensor of a device tensor")
    return value.inner.item()
