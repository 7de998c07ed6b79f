"""A network in an ONNX file behind onnxruntime: opened with clear errors, run on a batch or one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sushi_lg.errors import WeightsError, first_line


class Network(Protocol):
    """What detectors need of a network; tests put their own here."""

    input_shape: tuple[int | None, ...]
    """Of the one input; None where any length goes."""
    output_shapes: dict[str, tuple[int | None, ...]]
    """Of the outputs by name."""

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name."""


class OnnxNetwork:
    """One ONNX file.

    Args:
        path: The file.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: Of onnxruntime inside one operation.

    Raises:
        WeightsError: no onnxruntime, a file it cannot read, several inputs, or a device it was not built for.
    """

    def __init__(self, path: Path, device: str = "cpu", threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise WeightsError(f"{path}: onnxruntime is not installed", "pip install 'sushi-lg[pixels]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # exporters leave hundreds of remarks about the order of a file's contents
        # threads that spin while they wait take the cores that decode the next pictures
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=_providers(path, device))
        except WeightsError:
            raise
        except Exception as error:  # onnxruntime's errors share no base class
            said = f"{path}: onnxruntime cannot read it ({first_line(error)})"
            raise WeightsError(said, "fetch or export the file") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            seen = ", ".join(f"{one.name} {one.type}" for one in inputs)
            raise WeightsError(f"{path}: inputs {seen}; one of 32-bit floats is needed", "export the network again")
        self._input_name = inputs[0].name
        self.input_shape = _shape(inputs[0].shape)
        self.output_shapes = {one.name: _shape(one.shape) for one in self._session.get_outputs()}

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name for a batch of the file's layout.

        A file of a fixed batch is run as often as it takes, the last time filled up with zeros that nobody sees.
        """
        size = self.input_shape[0]
        if size is None or len(batch) == size:
            return self._run(batch)
        parts = [self._run(_filled(batch[i : i + size], size)) for i in range(0, len(batch), size)]
        return {name: np.concatenate([part[name] for part in parts])[: len(batch)] for name in self.output_shapes}

    def _run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        values = self._session.run(None, {self._input_name: batch})
        return dict(zip(self.output_shapes, values, strict=True))


def _filled(batch: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    missing = size - len(batch)
    return np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), np.float32)]) if missing else batch


def _providers(path: Path, device: str) -> list[Any]:
    import onnxruntime

    if device == "cpu":
        return ["CPUExecutionProvider"]
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()):
        raise WeightsError(f"{path}: device {device!r} is none onnxruntime is used with", "cpu, cuda or cuda:N")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise WeightsError(f"{path}: this onnxruntime has no CUDA", "pip install onnxruntime-gpu, or use device cpu")
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]


def refuse_channels_last(name: str, layout: str) -> None:
    """Stop at a detector's card that asks for a layout no detector here runs with.

    Raises:
        WeightsError: another layout than NCHW.
    """
    if layout != "NCHW":
        raise WeightsError(
            f"{name}: its card says layout {layout}; detectors run with channels first", "export it as NCHW"
        )


def _shape(lengths: list[int | str | None]) -> tuple[int | None, ...]:
    return tuple(length if isinstance(length, int) and length > 0 else None for length in lengths)
