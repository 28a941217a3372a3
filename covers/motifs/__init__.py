"""The thing that a cover shows: a robot, a ball, a sword ... chosen by what the title is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from covers.canvas import Brush
from covers.colours import Palette
from covers.facts import TitleFacts
from covers.motifs import arts, machines, nature, signs, sports

Motif = Callable[[Brush, Palette], None]

# The rarer the words, the more they say, so these are asked first.
MOTIFS: Mapping[Motif, frozenset[str]] = {
    sports.draw_basketball: frozenset({"basketball"}),
    sports.draw_volleyball: frozenset({"volleyball"}),
    sports.draw_football: frozenset({"football", "soccer"}),
    sports.draw_baseball: frozenset({"baseball"}),
    sports.draw_gloves: frozenset({"boxing", "combat sports", "boxer"}),
    sports.draw_racket: frozenset({"tennis", "table tennis", "badminton", "ping"}),
    sports.draw_wheel: frozenset({"racing", "cycling", "motorcycles", "cars", "bicycle"}),
    sports.draw_skate: frozenset({"skating", "skater"}),
    signs.draw_notebook: frozenset({"notebook"}),
    machines.draw_robot: frozenset({"mecha", "super robot", "real robot", "piloted robot"}),
    machines.draw_rocket: frozenset({"space", "space opera", "space travel", "rocket", "spaceship"}),
    machines.draw_plane: frozenset({"aviation", "pilot", "airship"}),
    machines.draw_train: frozenset({"trains", "train", "railway"}),
    machines.draw_ship: frozenset({"pirates", "ships", "ocean"}),
    signs.draw_clock: frozenset({"time travel", "time loop", "time manipulation"}),
    arts.draw_note: frozenset({"music", "band", "idol", "rock music", "classical music", "orchestra"}),
    arts.draw_brush: frozenset({"visual arts", "drawing", "painter", "filmmaking"}),
    arts.draw_bowl: frozenset({"gourmet", "cooking", "food"}),
    arts.draw_mask: frozenset({"performing arts", "acting", "showbiz", "theatre"}),
    arts.draw_cards: frozenset({"strategy game", "high stakes game", "card games", "gambling", "board games"}),
    machines.draw_gear: frozenset({"cyberpunk", "steampunk", "android", "cyborg", "robots", "robot"}),
    signs.draw_fangs: frozenset({"vampire", "zombie", "gore"}),
    arts.draw_sword: frozenset({"samurai", "swordplay", "ninja", "medieval", "knight"}),
    signs.draw_wand: frozenset({"magic", "mahou shoujo", "magical girl", "witch", "witches"}),
    nature.draw_dragon: frozenset({"dragons", "dragon"}),
    signs.draw_lens: frozenset({"detective", "mystery", "police", "espionage"}),
    signs.draw_oni: frozenset({"demons", "youkai", "ghost", "exorcism", "monsters"}),
    nature.draw_cat: frozenset({"cat", "cats", "animals", "anthropomorphic", "pets", "wolves"}),
    signs.draw_crown: frozenset({"royalty", "palace", "aristocracy", "mythology", "gods"}),
    machines.draw_umbrella: frozenset({"rain", "melancholy", "daily life"}),
}
# What most titles are one of: asked when nothing above fits.
GENERAL: Mapping[Motif, frozenset[str]] = {
    signs.draw_eye: frozenset({"psychological", "horror", "psi-powers", "suspense"}),
    nature.draw_petals: frozenset({"romance", "romantic comedy", "love polygon", "boys love"}),
    nature.draw_tree: frozenset({"rural", "countryside", "environmental", "iyashikei", "agriculture"}),
    arts.draw_cup: frozenset({"slice of life", "workplace", "cgdct"}),
    nature.draw_flame: frozenset({"action", "super power", "martial arts", "tournament"}),
    nature.draw_butterfly: frozenset({"fantasy", "drama", "supernatural", "coming of age"}),
}


def find_motif(facts: TitleFacts) -> Motif:
    """By themes and synopsis, then by genres, then by tags, which say much that hardly matters; else a star."""
    steps = ((MOTIFS, facts.themes | facts.words), (GENERAL, facts.themes), ({**MOTIFS, **GENERAL}, facts.labels))
    for motifs, words_of_title in steps:
        for motif, words in motifs.items():
            if not words_of_title.isdisjoint(words):
                return motif
    return signs.draw_star
