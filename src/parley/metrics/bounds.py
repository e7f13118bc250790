"""The most that a dialogue can carry, by counting the messages that a Sender can send."""


def most_accurate(bits: int, exchanges: int, candidates: int, heard: bool) -> float:
    """Return an upper bound of the accuracy@1 in evaluation, for equally many images of each candidate.

    In evaluation, a message is a function of the image and of the message that the Sender received, and the answer is a
    function of the Sender's messages. So at most as many candidates are named as there are sequences of messages. A
    Sender without memory whose received messages are all equal repeats itself from the second exchange on.

    Parameters
    ----------
    bits
        Bits of a message.
    exchanges
        Maximum number of exchanges.
    candidates
        Number of candidates.
    heard
        Whether the Sender receives the Receiver's messages; if not, it receives zeros (`game.ignore_receiver`).
    """
    different = exchanges if heard else min(exchanges, 2)
    return float(min(1, 2 ** (bits * different) / candidates))
