import pytest

from studies.report.markdown import block, bullets, code, plain, table


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("adv_lr 0.81 (better), 3 x 4", "adv_lr 0.81 (better), 3 x 4"),
        ("_slanted_ and __bold__", r"\_slanted\_ and \_\_bold\_\_"),
        ("*a* ~~b~~ `c`", r"\*a\* \~\~b\~\~ \`c\`"),
        ("![x](http://127.0.0.1/x.png)", r"!\[x\](http\://127.0.0.1/x.png)"),
        ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert(1)>"),
        ("&lt;b&gt;", r"\&lt;b\&gt;"),
        ("see www.example.org, WWW.example.org", r"see www\.example.org, WWW\.example.org"),
        ("me@example.org mailto:me xmpp:me", r"me\@example.org mailto\:me xmpp\:me"),
        ("two\nlines\r\n\n# and a heading", r"two lines \# and a heading"),
        ("a|b and $x^2$ and \\", r"a\|b and \$x^2\$ and \\"),
        ("Größe 日本語", "Größe 日本語"),
        (None, "None"),
    ],
)
def test_a_text_is_shown_as_it_is(text, safe):
    assert plain(text) == safe


@pytest.mark.parametrize(
    ("text", "cell", "safe"),
    [
        ("adv_lr=0.1", False, "`adv_lr=0.1`"),
        ("a|b", False, "`a|b`"),
        ("a|b", True, r"`a\|b`"),
        ("one ` two `` three", False, "```one ` two `` three```"),
        ("`edge", False, "`` `edge ``"),
        ("", False, "` `"),
        ("new\nline", True, "`new line`"),
    ],
)
def test_code_ends_where_it_should(text, cell, safe):
    assert code(text, cell) == safe


def test_a_block_is_one_line_whatever_is_in_it():
    assert block("python search.py --study 'a\n```\n<b>'") == "````\npython search.py --study 'a ``` <b>'\n````"


def test_tables_and_lists():
    assert table(["", "b"], [["1", "2"]]) == "|  | b |\n| --- | --- |\n| 1 | 2 |"
    assert bullets(["a", "b"]) == "- a\n- b"
