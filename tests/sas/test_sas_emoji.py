"""sas.1 and sas.2: the mapping against Telegram's figures, the table, its names and its look-alike classes."""

import hashlib
import itertools
import json
import os
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse
from e2ecall.sas import LANGUAGES, Text, describe, emoji, emoji_table

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "vectors/sas/emoji.json").read_text(encoding="utf-8"))["cases"]
SHARED = Path(os.environ.get("E2ECALL_SHARED", ROOT.parent / "shared")) / "vectors/telegram"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="E2ECALL_SHARED has no vectors/telegram")
TABLE_SHA256 = "deec5cfb8d4b977a40edb1aa2c284e623eaee0661318bac87eb75816481d1f8c"

# Every pair inside one of these must share a class: written down apart from the data, by looking and listening.
LOOK_ALIKE = """
    😉😍😛😭😱😡😎😴😵😈😬😇😏💤 😍😻 🐱😻😽🙀 😱🙀 🙈🙉🙊 👺😈 👽👾 💀👻 😛👅 👂👃👄 😎👓👀 👄💄👅
    🐶🐺🐻🐨🐼🐹🐭🐰🐯 🐷🐗 🐴🏇🎠 🐮🐴 👨👩👴👵👶 👮👷💂 👴🎅 👫👬👭👪 🚶🏃💃 🏊🏄 👍👎👊 ✋👐👏🙏
    👆👇👉👈 👌✌ 💅✋ 🎩👒👑🎓 👟👞👠 👕👗👖👙 👜💰 💵💳 💛💙💜💚♥ 🔴🔵 🔶🔷♦💎 💍💎 🔵🔷💙 🔴♥♦🎯
    🐑🐐 🐥🐔🐧 🐍🐛 🐜🐞🐝 🐌🐚 🐢🐊 🐟🐬🐋 🌞🌚🌙 🌹🌻 🌞🌻 🌴🌳🎄 🍀🍁 🌾🌵 🔥💥🎆💣 🌋🗻 ⚡🔌🔋
    💡🔦 ☔🚿 🌀🌊 ❄⛄ 🎈🔮 ⏳⏰⌚ ⏰🔔 🎥📷 📺💻 🎤🔬 ☎🔭📺 🔭🔬🔎 📻📷 🎥🎬 🔒🔑 🔑🔧 🔧🔨 🔪🍴
    🔪✂ 🍴🔱 ⚓🔱 ✉📫📦 📦🎁🎀 📅📁📚 ✒✏ 📌📎 📎🔗 💉✏ 💊💉 🎻🎸 🎺🎹🎵 🎲🃏 🏈🏉 🏀⚽⚾🎾🎱🎳
    ☕🍺🍷🍼 🍕🍔🍟🍗 🍱🍚🍜 🎂🍰 🍩🍪🍫 🍦🍭💩 🍎🍏🍅🍑🍒 🍊🍋🎃 🍌🌽 🍐🍏 🍇🍆 🍉🍓🍍 🏥🏦🏭🏡 ⛪🏰
    ⛺🎪 🎡🎢 ⛲🌊 🚢🚤 🚀✈🚁 🚂🚋🚎🚌🚠 🚙🚗🚕🚔 🚛🚒🚑🚜 🚗🚲 🚨🚦 ⚠🚧❗ ❗❓ 🗽🗿 🎭😏 🔉📻 🚽🚿
    🗻🌋
""".split()  # noqa: SIM905 - a table to be read
FLAGS = ["🇯🇵", "🇰🇷", "🇩🇪", "🇨🇳", "🇺🇸", "🇫🇷", "🇪🇸", "🇮🇹", "🇷🇺", "🇬🇧", "🏁"]
NUMBERS = [f"{digit}\u20e3" for digit in "1234567890"] + ["🔟", "💯"]


def fold(name):
    """The name as careless eyes and ears keep it."""
    decomposed = unicodedata.normalize("NFKD", name.casefold().replace("œ", "oe"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(name):
    return tuple(fold(name).replace("-", " ").replace("'", " ").split())


def cross_class(pairs):
    return [(a.names, b.names) for a, b in pairs if a.look_alike != b.look_alike]


@pytest.mark.clause("sas.1-1", "sas.2-1")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    sas = bytes.fromhex(case["sas"])
    if case["result"] == "misuse":
        with pytest.raises(ApiMisuse, match=f"has {len(sas)} bytes, not 32") as refused:
            emoji(sas)
        assert refused.value.clause == case["clause"] == "sas.1-1"
        return
    row = emoji(sas)
    assert [each.char for each in row] == case["emoji"]
    assert [each.index for each in row] == case["indexes"]
    assert [each.name() for each in row] == case["names"]


@needs_shared
@pytest.mark.clause("sas.2-1")
def test_calls_of_telegram():
    calls = json.loads((SHARED / "one_to_one.json").read_text(encoding="utf-8"))["vectors"]
    assert len(calls) == 2
    for call in calls:
        sas = hashlib.sha256(bytes.fromhex(call["key"] + call["g_a"])).digest()
        assert sas.hex() == call["emoji_sha256"]
        assert "".join(each.char for each in emoji(sas)) == call["emoji"]


@needs_shared
@pytest.mark.clause("sas.2-2")
def test_table_of_telegram():
    entries = json.loads((SHARED / "emoji333.json").read_text(encoding="utf-8"))["emoji"]
    assert [(each.index, each.char) for each in emoji_table()] == [(entry["index"], entry["char"]) for entry in entries]


@pytest.mark.clause("sas.2-1")
@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 2**64 - 1)] * 4))
def test_each_word_alone_decides_its_emoji(numbers):
    row = emoji(b"".join(number.to_bytes(8, "big") for number in numbers))
    assert [each.index for each in row] == [number % 2**63 % 333 for number in numbers]


@pytest.mark.clause("sas.2-2")
def test_table_is_bit_exact():
    table = emoji_table()
    assert [each.index for each in table] == list(range(333))
    assert hashlib.sha256("".join(each.char for each in table).encode()).hexdigest() == TABLE_SHA256
    assert len({each.char for each in table}) == 333
    assert Counter(len(each.char) for each in table) == {1: 313, 2: 20}


@pytest.mark.clause("sas.2-2")
def test_display_adds_the_selector_and_nothing_else():
    changed = [each for each in emoji_table() if each.display != each.char]
    assert "".join(each.char for each in changed if len(each.char) == 1) == "✌❄☎✉✂✒✏✈⚠♥♦"
    assert [each.display for each in changed if len(each.char) == 2] == [f"{d}\ufe0f\u20e3" for d in "1234567890"]
    for each in changed:
        assert each.display.replace("\ufe0f", "") == each.char
    for each in emoji_table():
        # Wide characters are those that are drawn as emoji without being told.
        assert unicodedata.east_asian_width(each.char[0]) == "W" or "\ufe0f" in each.display or len(each.char) == 2


@pytest.mark.clause("sas.2-3")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_names_are_there_short_and_unique(lang):
    names = [each.name(lang) for each in emoji_table()]
    assert [name for name, times in Counter(map(fold, names)).items() if times > 1] == []
    assert [name for name, times in Counter(map(words, names)).items() if times > 1] == []
    for name in names:
        assert name == name.strip()
        assert 2 <= len(name) <= 22
        assert len(name.split()) <= 4
        assert all(char.isalpha() or char in " -'" for char in name), name


@pytest.mark.clause("sas.2-3")
def test_names_are_in_their_own_language():
    assert emoji_table()[0].names == Text("wink", "clin d'œil")
    assert emoji_table()[332].names == Text("blue diamond", "losange bleu")
    accented = [each for each in emoji_table() if not each.name("fr").isascii()]
    assert len(accented) > 60
    assert all(each.name("en").isascii() for each in emoji_table())


@pytest.mark.clause("sas.2-3")
@pytest.mark.parametrize("lang", ["de", "EN", "", "index"])
def test_other_languages_are_refused(lang):
    with pytest.raises(ApiMisuse, match="no language"):
        emoji_table()[0].name(lang)
    with pytest.raises(ApiMisuse, match="no language"):
        describe(emoji_table()[:4], lang)


@pytest.mark.clause("sas.2-4")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_names_of_two_classes_differ_in_more_than_one_letter(lang):
    whole = {fold(each.name(lang)): each for each in emoji_table()}
    near, pairs = defaultdict(set), []
    for name, each in whole.items():
        for i in range(len(name)):
            near[name[:i] + "?" + name[i + 1 :]].add(each)  # one letter exchanged
            if dropped := whole.get(name[:i] + name[i + 1 :]):
                pairs.append((each, dropped))
    pairs += [pair for group in near.values() for pair in itertools.combinations(group, 2)]
    assert cross_class(pairs) == []


@pytest.mark.clause("sas.2-4")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_name_is_contained_in_a_name_of_another_class(lang):
    whole = {words(each.name(lang)): each for each in emoji_table()}
    inside = [
        (whole[part], each)
        for name, each in whole.items()
        for start, end in itertools.combinations(range(len(name) + 1), 2)
        if (part := name[start:end]) in whole
    ]
    assert len(inside) > 333
    assert cross_class(inside) == []


@pytest.mark.clause("sas.2-4")
def test_every_entry_has_one_class():
    sizes = Counter(each.look_alike for each in emoji_table())
    assert sizes.total() == 333
    assert len(sizes) == 42
    assert sizes.most_common(2) == [("face", 50), ("person", 18)]
    assert all(name.isascii() and name.isalpha() for name in sizes)


@pytest.mark.clause("sas.2-4")
@pytest.mark.parametrize("group", [*LOOK_ALIKE, FLAGS, NUMBERS], ids=lambda group: "".join(group))
def test_look_alikes_share_a_class(group):
    by_char = {each.char: each.look_alike for each in emoji_table()}
    assert len({by_char[char] for char in group}) == 1


@pytest.mark.clause("sas.2-4")
def test_the_list_of_look_alikes_covers_the_table():
    listed = set("".join(LOOK_ALIKE)) | set(FLAGS) | set(NUMBERS)
    sizes = Counter(each.look_alike for each in emoji_table())
    rest = {each.char for each in emoji_table() if each.char not in listed and sizes[each.look_alike] > 1}
    # In a class by its kind alone.
    assert rest == set("🐸🐘🐫🍄🌎💿📡🎧🔫🚬📐🐙🎮🎰🍡🍳🍞🍯🚪💪")


def test_describe():
    row = emoji(bytes.fromhex(CASES[0]["sas"]))
    assert describe(row) == "👂 ear · 💯 hundred points · 👬 two men · 🌴 palm tree"
    assert describe(row, "fr") == "👂 oreille · 💯 cent points · 👬 deux hommes · 🌴 palmier"
    assert describe([emoji_table()[132]]) == "❄\ufe0f snowflake"


@pytest.mark.clause("sas.2-5")
def test_describe_in_ascii():
    by_char = {each.char: each for each in emoji_table()}
    row = [by_char[char] for char in "😉🎓💛🍳"]
    assert describe(row, ascii_only=True) == "wink, graduation cap, yellow heart, fried egg"
    assert describe(row, "fr", ascii_only=True) == "clin d'oeil, chapeau de diplome, coeur jaune, oeuf au plat"


@pytest.mark.clause("sas.2-5")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_ascii_names_lose_accents_and_no_letter(lang):
    for each in emoji_table():
        text = describe([each], lang, ascii_only=True)
        assert text.isascii()
        assert text.casefold() == fold(each.name(lang))
