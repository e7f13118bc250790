"""Settings of the game and of training, as dataclasses that can be checked without importing torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from parley.core.errors import ParleyError
from parley.plugins.registry import Option, Registry

PRESETS: dict[str, dict[str, bool]] = {
    "Fixed": {"adaptive": False, "visual_attention": False},
    "Adaptive": {"adaptive": True, "visual_attention": False},
    "FixedAttention": {"adaptive": False, "visual_attention": True},
    "AdaptiveAttention": {"adaptive": True, "visual_attention": True},
}
"""The four games of Evtimova et al. (2018): fixed or adaptive length, with or without visual attention."""


@dataclass(frozen=True, slots=True)
class GameSettings:
    """Settings of the game and its agents.

    The defaults are those of the original implementation (Evtimova et al., 2018), except for `standardize`,
    `baseline_init` and `accuracy_count`. Where the implementation differs from the article, "paper" below means the
    article.

    Attributes
    ----------
    preset
        One of `PRESETS`. In an Adaptive game, the Receiver decides when to stop. In a game with Attention, the Sender
        attends to the cells of the image's feature map.
    attention_context
        Whether this attention also depends on the image classifier's logits (context vector), as in the presets of the
        original implementation; it could be switched off there, too.
    message_bits
        Number of bits per message (d), the same in both directions.
    max_exchanges
        Maximum number of exchanges (T). In a Fixed game, all of them are made.
    sender_hidden, receiver_hidden, baseline_hidden
        Widths of the hidden layers of the Sender, of the Receiver (also the width of its state) and of the baselines.
    sender_attention_hidden, receiver_attention_hidden
        Widths of the hidden layers of the Sender's and the Receiver's attention.
    mix
        How the Sender combines image and message: ``sum`` (original implementation), ``prod`` (elementwise
        product) or ``mou`` (paper: both, their difference and their product).
    description_attention
        Whether the Receiver attends to the words of each description.
    reward
        ``original``: log p(target) in nats (original implementation); ``paper``: 1 if the answer is correct, else 0.
    receiver_baseline
        Which state of the Receiver is the input of its baseline: the state after (``original``) or before
        (``paper``) the update by the Sender's message.
    stop_rule
        When a dialogue stops in evaluation. ``product``: when the product of the probabilities of continuing at all
        exchanges so far rounds to 0; ``step``: when the probability at the current exchange rounds to 0.
    first_message
        Number that replaces each bit of the received message in the input of the Sender's baseline at the first
        exchange, where the Sender has not received a message.
    standardize
        ``train``: features are standardised by the mean and standard deviation of the train split;
        ``none``: raw features, as in the original implementation.
    standardize_descriptions
        ``candidates``: each dimension of the word vectors is standardised to mean 0 and standard deviation 1 over
        the descriptions used in training; ``none``: raw word vectors, as in the original implementation.
    image_layer
        Features that are the Sender's input: a role (``pooled``, ``logits``, ``map``) or the name of a dataset in the
        feature files. ``auto`` selects ``map`` with visual attention and ``pooled`` without.
    channel
        ``bernoulli``: bits trained by REINFORCE; ``straight_through`` and ``gumbel``: bits through which gradient
        flows back to the sending agent; ``continuous``: real numbers, also with gradient; ``continuous_original``:
        real numbers without gradient, as in the original implementation.
    temperature
        Temperature of the ``gumbel`` channel.
    ignore_receiver, ignore_sender
        Whether the messages of the Receiver, or of the Sender, are replaced by zeros.
    ignore_code
        Whether the Sender ignores the Receiver's messages, except in its attention.
    flip_sender, flip_receiver
        Probability that a bit of the Sender's, or the Receiver's, message is flipped in training.
    flip_in_evaluation
        Whether bits are also flipped in evaluation, with the same probabilities.
    corrupt_bits
        Bits of the Sender's messages that are flipped in evaluation, such as ``0:3,5`` for 0, 1, 2 and 5; empty: none.
    shuffle
        Agents whose messages are replaced, in evaluation, by messages from the dialogue about another image:
        ``none``, ``sender``, ``receiver`` or ``both``.
    baseline
        Baseline subtracted from the reward: ``learned`` (original implementation), ``running_mean``,
        ``leave_one_out`` or ``none``.
    baseline_init
        Initial weights of learned baselines. ``xavier``: as the agents'; ``original``: torch's default, uniform within
        1/√inputs of 0, biases too, as in the original implementation.
    exchange_cost
        Amount subtracted from the reward for each exchange, in the unit of the reward.
    label_smoothing
        Fraction of the target's probability that the Receiver's loss spreads over all candidates; not in the reward.
    accuracy_count
        Denominator of accuracy. ``corrected``: number of images; ``original``: number of batches times batch size, as
        in the original implementation.
    permute_labels
        Control experiment: before training and evaluation, permute the labels of each split among its images, with
        this number as the seed of the permutation; 0 for no permutation.
    sender, receiver
        The agents: ``original`` (those of the original implementation), or names of a plug-in's.
    plugin_options
        Options of the plug-ins' parts that these settings name.
    """

    preset: str = "Adaptive"
    message_bits: int = 32
    max_exchanges: int = 10
    sender_hidden: int = 256
    receiver_hidden: int = 64
    baseline_hidden: int = 500
    sender_attention_hidden: int = 256
    receiver_attention_hidden: int = 64
    attention_context: bool = True
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
    baseline_init: str = "xavier"
    exchange_cost: float = 0.0
    label_smoothing: float = 0.0
    accuracy_count: str = "corrected"
    permute_labels: int = 0
    sender: str = "original"
    receiver: str = "original"
    plugin_options: Mapping[str, Option] = field(default_factory=dict, hash=False)

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
        """Whether the Sender attends to image cells, or the Receiver to words."""
        return self.visual_attention or self.description_attention

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """Construct settings from a mapping. Unknown keys, an unknown preset or contradictions raise `ParleyError`."""
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
        try:
            if self.corrupt_bits:
                bit_ranges(self.corrupt_bits, self.message_bits)
        except ParleyError as error:
            found += error.findings
        return found


def bit_ranges(region: str, bits: int) -> list[range]:
    """Return the ranges of bits in a region such as ``0:3,5``, which means bits 0, 1, 2 and 5.

    Raises
    ------
    ParleyError
        If the region cannot be parsed, or contains a bit outside the message.
    """
    ranges = []
    for piece in region.split(","):
        first, colon, end = (number.strip() for number in piece.partition(":"))
        # Python does not convert numbers of thousands of digits.
        are_numbers = all(text.isdecimal() and len(text) < 10 for text in ([first, end] if colon else [first]))
        start, stop = (int(first), int(end) if colon else int(first) + 1) if are_numbers else (0, 0)
        if not start < stop <= bits:
            raise ParleyError(
                f"game.corrupt_bits: {piece.strip()[:40]!r} in {region[:80]!r} is not valid for messages of {bits} "
                "bits; write comma-separated numbers from 0 and ranges such as 0:3, which means 0, 1 and 2."
            )
        ranges.append(range(start, stop))
    return ranges


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of training; the defaults are those of the original implementation (Evtimova et al., 2018).

    Attributes
    ----------
    steps
        Number of training steps; each step uses one batch.
    max_epochs
        Maximum number of epochs, in case `steps` are more; None for no maximum. The original implementation used 500.
    batch_size, dev_batch_size
        Number of images per batch in training and in evaluation. Training drops the short last batch of an epoch.
    optimizer
        Name of the optimiser: ``RMSprop``, ``Adam`` or ``SGD``. Each of the four networks has its own instance.
    learning_rate
        Learning rate of all four optimisers.
    learning_rate_schedule
        ``constant``, or ``cosine``: half a cosine period, decreasing to 0 at the last step.
    feature_noise, feature_dropout
        In training: standard deviation of the noise added to image features, and probability of setting a feature to 0.
    blend
        Whether to mix the features of each training image with those of a random image of its class.
    gradient_clip
        Maximum norm of each network's gradient.
    sender_entropy, receiver_entropy, stop_entropy
        Weights (lambda) of the entropy bonus on messages and stop bits.
    dev_every
        Interval between two evaluations on the dev split, in units of `dev_unit`. Each evaluation writes a checkpoint.
    first_checkpoint
        First step at which a checkpoint may be written.
    dev_unit
        Unit of `dev_every`: ``steps`` or ``epochs``.
    dev_candidates
        Candidates on the dev split: ``seen`` (the classes trained on), ``own`` (those of the dev split) or ``all`` (all
        that are described for evaluation, as in the original implementation).
    patience
        Number of evaluations without a better dev accuracy@k after which a run stops; 0 to never stop early.
    frozen
        Agents that keep their initial weights: ``sender``, ``receiver``.
    augmentations
        Names of augmentations of plug-ins, applied to the image features after `feature_noise` and `feature_dropout`.
    plugin_options
        Options of these augmentations.
    entropy_schedule
        Schedule of the entropy bonus: ``constant``, or ``linear`` from the full weights to a fraction of them.
    entropy_final, entropy_steps
        Fraction of the weights at the end of the linear schedule, and the step at which it ends; 0: the last step.
    device
        ``cpu``, ``cuda``, or ``auto``, which uses a GPU if there is one, else the CPU.
    deterministic
        Whether torch must use deterministic algorithms.
    cuda_graphs
        Whether training steps on a GPU are captured as a CUDA graph and replayed; does not affect results.
    tensorboard
        Whether to write TensorBoard event files.
    wandb
        Project of Weights & Biases to which metrics are sent; None for none.
    mlflow
        Tracking URI of the MLflow server to which metrics are sent, or ``local``; None for none.
    samples
        Number of sample dialogues written to the log at each dev evaluation.
    k
        The K of accuracy@K of training batches in the log; None for that of the dev results. The original
        implementation used 6.
    checks
        Whether to check the invariants of the game at each step, for debugging; slow.
    """

    steps: int = 10_000
    max_epochs: int | None = None
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
    dev_candidates: str = "seen"
    patience: int = 0
    frozen: tuple[str, ...] = ()
    augmentations: tuple[str, ...] = ()
    plugin_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    entropy_schedule: str = "constant"
    entropy_final: float = 0.0
    entropy_steps: int = 0
    device: str = "cpu"
    deterministic: bool = False
    cuda_graphs: bool = True
    tensorboard: bool = False
    wandb: str | None = None
    mlflow: str | None = None
    samples: int = 0
    k: int | None = None
    checks: bool = False

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """Construct settings from a mapping. An unknown key raises a `ParleyError` that names it."""
        known = _known(cls, values, "training")
        lists = {name: tuple(known.get(name, ())) for name in ("frozen", "augmentations")}
        return cls(**{**known, **lists})


PERFORMANCE_ONLY = ("cuda_graphs", "tensorboard", "wandb", "mlflow")
"""Training settings that do not affect results. Changing them triggers no rerun, and checkpoints do not store them."""


def result_affecting(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training settings that affect results."""
    return {name: value for name, value in training.items() if name not in PERFORMANCE_ONLY}


def performance_only(config: Mapping[str, Any], run_name: str) -> dict[str, Any]:
    """Return the settings in `PERFORMANCE_ONLY` that the experiment's config sets for a run."""
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
    """Return settings as a dictionary of JSON types, the form stored in `config.json` and in checkpoints."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}


def chosen_options(registry: Registry[Any], name: str, settings: GameSettings | TrainingSettings) -> dict[str, Option]:
    """Return the options of a part by its name in a registry: its default values, overridden by the settings."""
    defaults = registry.options_of(name)
    return {option: settings.plugin_options.get(option, default) for option, default in defaults.items()}
