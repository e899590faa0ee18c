"""The built-in task: short product reviews, written by a grammar from a seed, so that nothing needs a download.

It is hard for the same reasons as real reviews: many opinion words are rare, so the model has seen them once or never;
negation reverses them, "but" gives weight to what follows, hedges and idle clauses say little, and some labels are wrong.
"""

import numpy as np

LABELS = ("negative", "positive")
LABEL_NOISE = 0.06
NEGATED = 0.08
SKEW = 2.0
MOOD = 0.7

GOOD = """sharp bright sturdy quiet smooth comfortable reliable elegant quick precise generous crisp solid pleasant
clever durable light handy accurate responsive soft tidy warm clear charming roomy effortless refined steady
vivid snappy polished cozy dependable graceful balanced nimble flawless superb lovely stellar delightful
brilliant robust intuitive plush sleek faithful thoughtful lively radiant seamless airy rugged gorgeous
punchy dazzling ergonomic spotless splendid""".split()
BAD = """blurry dim flimsy noisy rough painful unreliable ugly slow vague stingy muddy wobbly annoying clumsy brittle
heavy awkward inaccurate laggy stiff messy cold murky dull cramped tedious crude shaky faded sluggish
unfinished drafty erratic graceless lopsided bulky faulty dreadful nasty abysmal miserable hopeless fragile
confusing scratchy dated deceptive careless lifeless gloomy patchy stuffy frail hideous tinny glaring
crooked stained shoddy""".split()
PARTS = """screen battery keyboard handle lid sound camera strap zipper motor fabric lens button case charger hinge
filter blade wheel seat speaker cable menu manual pump lamp pocket sole collar frame""".split()
THINGS = """phone kettle backpack blender chair headset drill jacket lamp printer stroller tent watch toaster bike
monitor mattress vacuum router piano""".split()
BOOSTS = ("really", "extremely", "truly")
HEDGES = ("rather", "somewhat", "slightly")
IDLE = """bought in march|came in a brown box|my sister has one|used in the kitchen|delivery took four days|replaced an
older model|the colour is grey|was on sale last week|kept in the hall|the box had a blue label""".replace("\n", " ").split(
    "|"
)
NOT = ("not", "never", "hardly")


def _opinion(rng: np.random.Generator, mood: int) -> tuple[str, float]:
    """One phrase about a part, and its opinion as a number (negative: against)."""
    sign = mood if rng.random() < MOOD else -mood
    words = GOOD if sign > 0 else BAD
    word = words[int(len(words) * rng.random() ** SKEW)]
    weight, before = float(sign), ""
    kind = rng.random()
    if kind < NEGATED:
        weight, before = -weight, NOT[rng.integers(len(NOT))]
    elif kind < NEGATED + 0.12:
        weight, before = 2 * weight, BOOSTS[rng.integers(len(BOOSTS))]
    elif kind < NEGATED + 0.24:
        weight, before = 0.5 * weight, HEDGES[rng.integers(len(HEDGES))]
    part = PARTS[rng.integers(len(PARTS))]
    return " ".join([before, word, part] if rng.random() < 0.5 else [part, before, word]), weight


def _review(rng: np.random.Generator) -> tuple[str, float]:
    """One review and the sum of its phrases' opinions; after "but" a phrase counts double."""
    mood = 1 if rng.random() < 0.5 else -1
    phrases, score = [THINGS[rng.integers(len(THINGS))]], 0.0
    for number in range(int(rng.integers(1, 5))):
        text, weight = _opinion(rng, mood)
        if number and rng.random() < 0.2:
            text, weight = f"but {text}", 2 * weight
        phrases.append(text)
        score += weight
    if rng.random() < 0.4:
        phrases.insert(int(rng.integers(1, len(phrases) + 1)), IDLE[rng.integers(len(IDLE))])
    return " , ".join(phrases).replace("  ", " "), score


def reviews(rows: int, seed: int) -> tuple[list[str], list[str]]:
    """``rows`` different reviews and their labels ("negative", "positive"), balanced except for the wrong labels.

    Args:
        rows: How many reviews.
        seed: The same seed gives the same rows.
    """
    rng = np.random.default_rng(seed)
    texts: dict[str, str] = {}
    counts = dict.fromkeys(LABELS, 0)
    while len(texts) < rows:
        text, score = _review(rng)
        label = LABELS[int(score > 0)]
        if score == 0 or text in texts or counts[label] >= (rows + 1) // 2:
            continue
        counts[label] += 1
        texts[text] = LABELS[1 - LABELS.index(label)] if rng.random() < LABEL_NOISE else label
    return list(texts), list(texts.values())
