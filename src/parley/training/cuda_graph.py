"""CUDA graphs: record one training step and replay it, with per-step inputs in static buffers."""

import logging
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


class StepInputs(NamedTuple):
    """The inputs of a step."""

    rows: Tensor
    """``[S, B]`` int64: the batch of each seed, as rows of the train part."""
    states: Tensor
    """``[purposes, S]`` int64: where each seed's random numbers for each purpose begin."""
    weights: Tensor
    """``[3 + K]``: the weights of the entropy bonus, then what the optimiser's change needs to know of the step."""

    def to(self, device: torch.device) -> "StepInputs":
        """Return them on a device, which nothing waits for."""
        return StepInputs(*(part.to(device, non_blocking=True) for part in self))

    def pinned(self) -> "StepInputs":
        """Return them in memory that a GPU copies from by itself."""
        return StepInputs(*(part.pin_memory() for part in self))

    def copy_(self, others: "StepInputs") -> None:
        """Put others of the same shapes in their place, which stays where it is."""
        for mine, its in zip(self, others, strict=True):
            mine.copy_(its, non_blocking=True)


WARM_UP = 3
"""Steps that are taken one operation at a time before one is recorded: libraries set themselves up in the first."""

Work = Callable[[StepInputs], Tensor]


class GraphedStep:
    """Takes steps, the first few as they come, the others from a graph of one.

    The memory of the graph is kept as long as this object lives.
    """

    def __init__(self) -> None:
        self.graph: torch.cuda.CUDAGraph | None = None
        self.steps_done = 0
        self._stream = torch.cuda.Stream()
        self._inputs: StepInputs | None = None
        self._result: Tensor | None = None
        self._failed_graph: torch.cuda.CUDAGraph | None = None

    def step(self, work: Work, inputs: StepInputs) -> Tensor:
        """Take a step.

        Parameters
        ----------
        work
            The step: the same each time. It must read no value from the GPU and nothing from the CPU.
        inputs
            What differs, on the CPU; of the same shapes each time.

        Returns
        -------
        Tensor
            What `work` returns, as one's own.
        """
        there = self._copy_in(inputs)
        if self.graph is None and self.steps_done >= WARM_UP and self._failed_graph is None:
            self._record(work, there)
        self.steps_done += 1
        if self.graph is None:
            return self._warmup(work, there)
        self.graph.replay()
        assert self._result is not None  # recorded with the graph
        return self._result.clone()

    def _copy_in(self, inputs: StepInputs) -> StepInputs:
        """Put the inputs where the step reads them."""
        if self._inputs is None:
            self._inputs = inputs.to(torch.device("cuda"))
        # Torch lets nobody have a pinned block before the copy from it is done.
        self._inputs.copy_(inputs.pinned())
        return self._inputs

    def _warmup(self, work: Work, inputs: StepInputs) -> Tensor:
        """Take the step on the stream that a graph is recorded from, as torch asks for before that."""
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            result = work(inputs)
        here.wait_stream(self._stream)
        return result.clone()

    def _record(self, work: Work, inputs: StepInputs) -> None:
        """Record the step, without taking it."""
        graph, here = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._result = work(inputs)
        except RuntimeError as error:
            # Torch leaves the stream as it is, and its allocator still refers to the graph.
            torch.cuda.set_stream(here)
            self._failed_graph, self._result = graph, None
            why = (str(error) or type(error).__name__).splitlines()[0]
            logger.warning("No CUDA graph of a step could be made, so that each takes several times as long: %s", why)
            return
        self.graph = graph
