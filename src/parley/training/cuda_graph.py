"""CUDA graphs: record one training step and replay it, with its inputs in static buffers.

A step consists of thousands of small operations, and launching each from Python takes several times as long as the GPU
needs to compute it. A graph launches all of them at once. It always reads its inputs from the same addresses and writes
its result to the same address; weights and optimiser state are updated in place.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

logger = logging.getLogger(__name__)
WARM_UP = 3
"""Steps before the graph is recorded, in which libraries initialise themselves."""


class StepInputs(NamedTuple):
    """All that changes from one training step to the next."""

    rows: Tensor
    """``[S, B]`` int64: each run's batch, as rows of the train split."""
    states: Tensor
    """``[purposes, S]`` int64: state of each run's random numbers for each purpose."""
    weights: Tensor
    """``[3 + K]``: the weights of the entropy bonus, and the K coefficients of the optimiser's step."""

    def to(self, device: torch.device) -> "StepInputs":
        """Return the inputs on a device, without waiting for the copy."""
        return StepInputs(*(field.to(device, non_blocking=True) for field in self))

    def copy_(self, source: "StepInputs") -> None:
        """Copy inputs of the same shapes into these tensors, without waiting for the copy."""
        for mine, new in zip(self, source, strict=True):
            mine.copy_(new, non_blocking=True)


class GraphedStep:
    """A training step that is recorded after `WARM_UP` steps, and replayed from then on.

    The graph's memory is freed with this object.
    """

    def __init__(self) -> None:
        self.graph: torch.cuda.CUDAGraph | None = None
        self.steps_done = 0
        self._stream = torch.cuda.Stream()
        self._inputs: StepInputs | None = None
        self._result: Tensor | None = None
        self._failed_graph: torch.cuda.CUDAGraph | None = None

    def step(self, work: Callable[[StepInputs], Tensor], inputs: StepInputs) -> Tensor:
        """Take a step.

        Parameters
        ----------
        work
            The step, the same function each time. It must not read values from the GPU or tensors of the CPU.
        inputs
            Inputs of the step on the CPU, of the same shapes each time.

        Returns
        -------
        Tensor
            The result of `work`, copied out of the graph's memory.
        """
        if self._inputs is None:
            self._inputs = inputs.to(torch.device("cuda"))
        # Torch does not reuse a pinned block before the copy from it is done.
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
        """Take the step on the stream that will record the graph, which torch requires before recording."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work(inputs)
        current.wait_stream(self._stream)
        return result.clone()

    def _record(self, work: Callable[[StepInputs], Tensor], inputs: StepInputs) -> None:
        """Record the step without taking it."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._result = work(inputs)
        except RuntimeError as error:
            # Torch does not restore the stream, and its allocator still refers to the graph.
            torch.cuda.set_stream(current)
            self._failed_graph, self._result = graph, None
            reason = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("No CUDA graph could be recorded; training steps take several times as long: %s", reason)
            return
        self.graph = graph
