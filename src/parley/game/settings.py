"""Settings of the game and of training, as plain values that can be checked without importing torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from parley.core.errors import ParleyError

PRESETS: dict[str, dict[str, bool]] = {
    "Fixed": {"adaptive": False, "visual_attention": False},
    "Adaptive": {"adaptive": True, "visual_attention": False},
    "FixedAttention": {"adaptive": False, "visual_attention": True},
    "AdaptiveAttention": {"adaptive": True, "visual_attention": True},
}
"""The four games of the paper: fixed or adaptive length, with or without visual attention."""


@dataclass(frozen=True, slots=True)
class GameSettings:
    """Settings of the game and its agents; the defaults are those of the 2017 code, except for standardised input.

    Attributes
    ----------
    preset
        One of `PRESETS`. *Adaptive*: the Receiver decides when to stop. *Attention*: the Sender
        attends to the cells of the image's feature map, with the logits as context vector.
    message_bits
        Bits per message (d), the same in both directions.
    max_exchanges
        Maximum number of exchanges (T); a Fixed game uses all of them.
    sender_hidden, receiver_hidden, baseline_hidden
        Widths of the hidden layers.
    sender_attention_hidden, receiver_attention_hidden
        Hidden widths of the two additive attentions.
    mix
        How the Sender combines image and message: ``sum`` (the code), ``prod``, or ``mou`` (the paper).
    description_attention
        Whether the Receiver attends to the words of each description.
    reward
        ``original``: log p(target) in nats, as in the code; ``paper``: 1 if right, else 0.
    receiver_baseline
        Whether the Receiver's baseline sees its state after (``original``) or before (``paper``)
        the update by the message.
    stop_rule
        In evaluation, stop when the running ``product`` of the go-on probabilities rounds to 0, or when the
        probability of the current ``step`` does.
    first_message
        The value that the Sender's baseline gets as received message in the first exchange.
    standardize
        ``train``: features are standardised by the mean and standard deviation of the train split;
        ``none``: raw features, as in the code.
    standardize_descriptions
        ``candidates``: each dimension of the word vectors is standardised to mean 0 and standard deviation 1 over
        the descriptions used in training; ``none``: raw word vectors, as in the code.
    image_layer
        Input of the Sender: a role (``pooled``, ``logits``, ``map``) or the name of a dataset in the feature files;
        ``auto`` is the map with visual attention, else the pooled vector.
    channel
        ``bernoulli``: bits trained by REINFORCE; ``straight_through`` and ``gumbel``: bits with gradient;
        ``continuous``: real numbers with gradient; ``continuous_original``: real numbers without.
    temperature
        Temperature of the ``gumbel`` channel.
    ignore_receiver, ignore_sender
        Whether the Receiver's, or the Sender's, messages are replaced by zeros.
    ignore_code
        Whether the Sender ignores the messages it receives.
    flip_sender, flip_receiver
        Probability that each bit is flipped, in training.
    flip_in_evaluation
        Whether bits are also flipped in evaluation.
    corrupt_bits
        Bits of the Sender's messages that are flipped in evaluation, such as ``0:3,5``; empty for none.
    shuffle
        Whose messages are swapped with those of other images in evaluation: ``none``, ``sender``, ``receiver`` or
        ``both``.
    baseline
        Baseline subtracted from the reward: ``learned`` (the code), ``running_mean``, ``leave_one_out`` or ``none``.
    exchange_cost
        Amount subtracted from the reward per exchange, in the reward's unit.
    label_smoothing
        Fraction of the Receiver's target spread evenly over all candidates; it does not affect the reward.
    accuracy_count
        ``corrected``: hits divided by images; ``original``: divided as if the short last batch were full.
    permute_labels
        A control: 0 for none; n > 0 for the nth random permutation of the labels over the images of each split,
        before training and evaluation.
    """

    preset: str = "Adaptive"
    message_bits: int = 32
    max_exchanges: int = 10
    sender_hidden: int = 256
    receiver_hidden: int = 64
    baseline_hidden: int = 500
    sender_attention_hidden: int = 256
    receiver_attention_hidden: int = 64
    mix: str = "sum"
    description_attention: bool = False
    reward: str = "original"
    receiver_baseline: str = "original"
    stop_rule: str = "product"
    first_message: float = 0.0
    standardize: str = "train"
    standardize_descriptions: str = "none"
    image_layer: str = "auto"
    channel: str = "bernoulli"
    temperature: float = 1.0
    ignore_receiver: bool = False
    ignore_sender: bool = False
    ignore_code: bool = False
    flip_sender: float = 0.0
    flip_receiver: float = 0.0
    flip_in_evaluation: bool = False
    corrupt_bits: str = ""
    shuffle: str = "none"
    baseline: str = "learned"
    exchange_cost: float = 0.0
    label_smoothing: float = 0.0
    accuracy_count: str = "corrected"
    permute_labels: int = 0

    @property
    def adaptive(self) -> bool:
        """Whether the Receiver decides when to stop."""
        return PRESETS[self.preset]["adaptive"]

    @property
    def visual_attention(self) -> bool:
        """Whether the Sender attends to the cells of a feature map."""
        return PRESETS[self.preset]["visual_attention"]

    @property
    def attends(self) -> bool:
        """Whether any agent has attention: the Sender to cells, or the Receiver to words."""
        return self.visual_attention or self.description_attention

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """Construct settings from a mapping; an unknown key or preset raises `ParleyError` with its name."""
        settings = cls(**_known(cls, values, "game"))
        if settings.preset not in PRESETS:
            raise ParleyError(f"game.preset: {settings.preset!r} is not one of {', '.join(PRESETS)}.")
        if findings := settings.contradictions():
            raise ParleyError(findings)
        return settings

    def contradictions(self) -> list[str]:
        """Return an error message for each pair of settings that contradict each other."""
        flips = {
            "flip_sender": self.flip_sender,
            "flip_receiver": self.flip_receiver,
            "corrupt_bits": self.corrupt_bits,
        }
        found = [
            f"game.{name} flips bits, but messages of game.channel {self.channel} have no bits; remove one of the two."
            for name, value in flips.items()
            if value and self.channel.startswith("continuous")
        ]
        if self.visual_attention and self.image_layer in ("pooled", "logits"):
            found.append(
                f"game.image_layer {self.image_layer} has no cells, but game.preset {self.preset} attends to cells; "
                "set game.image_layer to auto or map."
            )
        return found


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of training; the defaults are those of the 2017 code.

    Attributes
    ----------
    steps
        Number of training batches.
    batch_size, dev_batch_size
        Images per batch; training drops the short last batch of an epoch.
    optimizer
        ``RMSprop``, ``Adam`` or ``SGD``, one for each of the four networks.
    learning_rate
        Learning rate of all four optimisers.
    learning_rate_schedule
        ``constant``, or ``cosine``: half a cosine, down to 0 at the last step.
    feature_noise, feature_dropout
        In training, the standard deviation of noise added to the image's features, and the probability that a
        feature is set to 0.
    blend
        Whether in training each image is blended with another image of its class.
    gradient_clip
        Maximum norm of each network's gradient.
    sender_entropy, receiver_entropy, stop_entropy
        Weights (lambda) of the entropy bonus on messages and stop bits.
    dev_every
        Steps between two evaluations on the dev split; each writes a checkpoint.
    first_checkpoint
        No checkpoint is written before this step.
    dev_unit
        Whether `dev_every` counts ``steps`` or ``epochs``.
    patience
        Number of evaluations without a better dev accuracy@k after which a run stops; 0 for never.
    frozen
        Agents that are not trained: ``sender``, ``receiver``.
    entropy_schedule
        ``constant``, or ``linear``: from the full weights to a fraction of them.
    entropy_final, entropy_steps
        The final fraction, and the number of steps until it is reached; 0 for all steps of the run.
    device
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
    deterministic
        Whether torch must use deterministic algorithms.
    cuda_graphs
        Whether steps on a GPU are recorded and replayed as a CUDA graph. Does not affect results.
    tensorboard
        Whether to write TensorBoard events.
    samples
        Number of sample dialogues written to the log at each dev evaluation.
    checks
        Whether to check the invariants of the game at each step; slow, for developers.
    """

    steps: int = 10_000
    batch_size: int = 64
    dev_batch_size: int = 50
    optimizer: str = "RMSprop"
    learning_rate: float = 1e-4
    learning_rate_schedule: str = "constant"
    gradient_clip: float = 1.0
    feature_noise: float = 0.0
    feature_dropout: float = 0.0
    blend: bool = False
    sender_entropy: float = 0.01
    receiver_entropy: float = 0.01
    stop_entropy: float = 0.08
    dev_every: int = 1_000
    first_checkpoint: int = 1_000
    dev_unit: str = "steps"
    patience: int = 0
    frozen: tuple[str, ...] = ()
    entropy_schedule: str = "constant"
    entropy_final: float = 0.0
    entropy_steps: int = 0
    device: str = "cpu"
    deterministic: bool = False
    cuda_graphs: bool = True
    tensorboard: bool = False
    samples: int = 0
    checks: bool = False

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """Construct settings from a mapping; an unknown key raises `ParleyError` with its name."""
        known = _known(cls, values, "training")
        return cls(**{**known, "frozen": tuple(known.get("frozen", ()))})


PERFORMANCE_ONLY = ("cuda_graphs",)
"""Training settings that do not affect results. Changing them triggers no rerun, and they are not stored."""


def result_affecting(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training settings that affect results."""
    return {name: value for name, value in training.items() if name not in PERFORMANCE_ONLY}


def performance_only(config: Mapping[str, Any], run_name: str) -> dict[str, Any]:
    """Return the training settings of one run that do not affect results, from the config of the experiment."""
    own = [run["training"] for run in config["runs"] if run["name"] == run_name]
    training = {**config["training"], **own[0]}
    return {name: training[name] for name in PERFORMANCE_ONLY if name in training}


def _known(cls: Any, values: dict[str, Any], section: str) -> dict[str, Any]:
    known = {field.name for field in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ParleyError(f"{section}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
    return values


def as_mapping(settings: GameSettings | TrainingSettings) -> dict[str, Any]:
    """Return settings as a plain mapping, as stored in `config.json` and in checkpoints."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}
