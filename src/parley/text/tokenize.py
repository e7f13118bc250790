"""Split a description into words without stop words."""

import re

# A word is a run of letters and digits; hyphens and apostrophes join runs ("short-tailed", "o'clock").
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s$")

# English function words by kind. They name nothing visible.
_FUNCTION_WORDS = """
a an the this that these those each every either neither both all any some no such same other another own

i me my mine myself we us our ours ourselves you your yours yourself yourselves
he him his himself she her hers herself it its itself they them their theirs themselves
who whom whose which what

of in on at by for with without from to into onto upon about above below over under between among
through during before after against across along around off out up down near within toward towards
as than per via

and or but nor so yet if because while until unless although though whether either then since
where when why how here there

am is are was were be been being have has had having do does did doing
can could will would shall should may might must

not only too very just more most less least much many few several also again once further
often usually sometimes especially
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())


def description_words(text: str) -> list[str]:
    """Return the content words of a description.

    Lower case, without punctuation and `STOP_WORDS`, each word once, in order of first occurrence. (The original
    used a set, whose order changes between processes.)

    Parameters
    ----------
    text
        A description in English, e.g. WordNet's gloss.

    Returns
    -------
    list of str
        Hyphenated words are kept whole; a possessive ``'s`` is removed.

    Examples
    --------
    >>> description_words("the cat's short-tailed cousin, a cat of the north")
    ['cat', 'short-tailed', 'cousin', 'north']
    """
    words = (_POSSESSIVE.sub("", word) for word in _WORD.findall(text.lower()))
    return list(dict.fromkeys(word for word in words if word not in STOP_WORDS))
