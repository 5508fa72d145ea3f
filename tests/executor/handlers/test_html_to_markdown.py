"""Pages become Markdown, without what runs."""

from typing import Any

import pytest

from services.executor.handlers import html_to_markdown
from services.executor.material.errors import ToolError

PAGE = """<!DOCTYPE html><html><head><title> The
  harbour </title><style>p { color: red }</style></head><body>
<header>Top</header><nav><a href="/">Home</a></nav>
<main><h1>The harbour</h1>
<p>Built in <b>1887</b>, a <a href="/park">park</a> since 1952.</p><aside>Advert</aside></main>
<footer>Imprint</footer><script>alert(1)</script></body></html>"""


def markdown(html: str, **input: Any) -> str:
    found: str = html_to_markdown.run({"html": html} | input, {})["markdown"]
    return found


def test_a_page_becomes_markdown() -> None:
    """With its title beside it, and without scripts and styles."""
    output = html_to_markdown.run({"html": PAGE}, {})
    assert output["title"] == "The harbour"
    for piece in ("# The harbour", "Built in **1887**, a [park](/park) since 1952.", "[Home](/)", "Imprint"):
        assert piece in output["markdown"]
    assert "alert" not in output["markdown"]
    assert "color" not in output["markdown"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (PAGE, "# The harbour\n\nBuilt in **1887**, a [park](/park) since 1952."),
        ("<nav>n</nav><article>one</article><article>two</article>", "one"),
        ("<div>x</div><div role=main>m</div>", "m"),
        ("<nav>n</nav><p>all of it</p><footer>f</footer>", "all of it"),
    ],
)
def test_the_main_content_is_found(html: str, text: str) -> None:
    """What stands beside is left out."""
    assert markdown(html, main_content=True) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<p>two<ul><li>a<li>b<ul><li>c</ul></ul>", "one\n\ntwo\n\n- a\n- b\n  - c"),
        ("<table><tr><th>A<th>B<tr><td>1<td>2</table>", "| A | B |\n| --- | --- |\n| 1 | 2 |"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\n:   b\n\nc\n:   d"),
        ("<p>" * 1_000 + "x", "x"),
    ],
)
def test_end_tags_may_be_left_out(html: str, text: str) -> None:
    """As in HTML they may."""
    assert markdown(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("1 * 2 _a_ &lt;b&gt; &amp; 3", "1 \\* 2 \\_a\\_ \\<b> & 3"),
        ("<pre>a\n\n  &lt;b&gt; *</pre>", "```\na\n\n  <b> *\n```"),
        ("a<!-- no --><?php no ?><!ELEMENT no>b", "ab"),
        ("<svg><text>no</text></svg><template>no</template><iframe>no</iframe>x", "x"),
        ("", ""),
        ("https://example.com/x.html", "https://example.com/x.html"),
        ('<?xml version="1.0"?><html><p>x</p></html>', "x"),
    ],
)
def test_text_stays_text(html: str, text: str) -> None:
    """What means something in Markdown is escaped, and what is not shown is gone."""
    assert markdown(html) == text


@pytest.mark.parametrize(
    "url", ["javascript:x()", " JAVA\nSCRIPT:x()", "\x01" * 500 + "javascript:x()", "data:text/html,x"]
)
def test_links_that_run_are_only_their_text(url: str) -> None:
    """However they are written."""
    assert markdown(f'<a href="{url}">here</a>') == "here"
    assert markdown(f'<img src="{url}" alt="picture">') == "picture"


def test_other_links_and_pictures_are_kept() -> None:
    """As they are written, for nobody knows where the page was."""
    assert markdown('<a href="../a?b=c#d">x</a> <img src="/y.png" alt="z">') == "[x](../a?b=c#d) ![z](/y.png)"


@pytest.mark.parametrize("tag", ["div", "b", "ul", "blockquote", "table"])
def test_deep_nesting_is_refused_before_it_harms(tag: str) -> None:
    """With the limit, which can be reached."""
    assert markdown(f"<{tag}>" * 199 + "<b>x") != ""
    for times in (201, 100_000):
        with pytest.raises(ToolError, match="nested deeper than 200 levels") as refused:
            markdown(f"<{tag}>" * times)
        assert refused.value.reason == "HTML_TOO_DEEP"


def test_html_that_the_parser_never_ends_with_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment that is begun again and again."""
    monkeypatch.setattr(html_to_markdown, "SECONDS_MAX", 0.1)
    with pytest.raises(ToolError, match=r"the HTML takes more than 0\.1 seconds") as refused:
        markdown("<a " * 300_000)
    assert refused.value.reason == "TOO_SLOW"
