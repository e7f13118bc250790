"""CUDA graphs: record one training step and replay it for all later steps.

A training step consists of thousands of small GPU operations. Launching an operation from Python takes several times as
long as its execution on the GPU. A CUDA graph launches all operations at once. The graph reads the step's inputs from
fixed addresses and writes the result to a fixed address; weights and optimiser state are updated in place.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

logger = logging.getLogger(__name__)
WARM_UP = 3
"""Number of steps taken before the graph is recorded. CUDA libraries initialise themselves during these steps."""


class StepInputs(NamedTuple):
    """The inputs of a training step that differ between steps."""

    rows: Tensor
    """``[S, B]`` int64: row indices, in the train split, of the images in each run's batch."""
    states: Tensor
    """``[purposes, S]`` int64: state of the random number generator for each use of random numbers and each run."""
    weights: Tensor
    """``[3 + K]``: the three weights of the entropy bonus, then the K coefficients of the optimiser's update."""

    def to(self, device: torch.device) -> "StepInputs":
        """Copy the inputs to a device without waiting for the copy to finish."""
        return StepInputs(*(field.to(device, non_blocking=True) for field in self))

    def copy_(self, source: "StepInputs") -> None:
        """Overwrite these tensors with inputs of the same shapes, without waiting for the copy to finish."""
        for mine, new in zip(self, source, strict=True):
            mine.copy_(new, non_blocking=True)


class GraphedStep:
    """A training step that is executed `WARM_UP` times, then recorded as a CUDA graph and replayed.

    The memory of the graph is freed when this object is deleted.
    """

    def __init__(self) -> None:
        self.graph: torch.cuda.CUDAGraph | None = None
        self.steps_done = 0
        self._stream = torch.cuda.Stream()
        self._inputs: StepInputs | None = None
        self._result: Tensor | None = None
        self._failed_graph: torch.cuda.CUDAGraph | None = None

    def step(self, work: Callable[[StepInputs], Tensor], inputs: StepInputs) -> Tensor:
        """Take one training step.

        Parameters
        ----------
        work
            Function that computes the step from its inputs on the GPU; the same function in every call. It must
            neither copy values from the GPU to the CPU nor use CPU tensors.
        inputs
            Inputs of the step, on the CPU; the same shapes in every call.

        Returns
        -------
        Tensor
            A copy of the result of `work`. The next replay overwrites the original in the graph's memory.
        """
        if self._inputs is None:
            self._inputs = inputs.to(torch.device("cuda"))
        # The pinned tensors can be released here: PyTorch reuses their memory only after the copy has finished.
        self._inputs.copy_(StepInputs(*(field.pin_memory() for field in inputs)))
        if self.graph is None and self.steps_done >= WARM_UP and self._failed_graph is None:
            self._record(work, self._inputs)
        self.steps_done += 1
        if self.graph is None:
            return self._warmup(work, self._inputs)
        self.graph.replay()
        assert self._result is not None  # set by _record
        return self._result.clone()

    def _warmup(self, work: Callable[[StepInputs], Tensor], inputs: StepInputs) -> Tensor:
        """Take the step without a graph. PyTorch requires warm-up steps on the stream that later records the graph."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work(inputs)
        current.wait_stream(self._stream)
        return result.clone()

    def _record(self, work: Callable[[StepInputs], Tensor], inputs: StepInputs) -> None:
        """Record the step as a CUDA graph, without executing it. If recording fails, log a warning."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._result = work(inputs)
        except RuntimeError as error:
            # If recording fails, PyTorch does not restore the current stream, and its caching allocator keeps a
            # reference to the graph, so the graph must not be deleted.
            torch.cuda.set_stream(current)
            self._failed_graph, self._result = graph, None
            reason = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("CUDA graphs are not used, so training steps take several times as long: %s", reason)
            return
        self.graph = graph
