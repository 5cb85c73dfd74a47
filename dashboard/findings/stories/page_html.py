"""A story as one HTML file that needs nothing else: no network, no script, no other file."""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from html import escape
from pathlib import Path

from dashboard.findings.record import Finding, Value
from dashboard.findings.stories.record import Story, Text
from dashboard.findings.stories.scenes import Drawn, Scene
from dashboard.text import command_line, counted, one_line
from dashboard.views.data_url import data_url
from dashboard.views.navigation import PAGES, address

FIRST = 6
"""Numbers of a finding that are shown before it is asked for all of them."""

SHOWN = 60
"""Characters of such a number's text that are shown."""

MOST_DIFFERENCES = 8
"""Numbers that changed of which the text is shown, at most."""

STYLE = Path(__file__).with_name("story.css").read_text()
POLICY = (
    "default-src 'none'; img-src data:; style-src 'sha256-"
    f"{b64encode(sha256(STYLE.encode()).digest()).decode()}'; base-uri 'none'; form-action 'none'"
)
"""What a browser lets the file do: show its own pictures in its own style, and ask nobody for anything."""

STATES = {"holds": "holds", "differs": "differs", "unchecked": "not checked"}
WORDS = {
    "holds": ("holds", "hold"),
    "differs": ("differs", "differ"),
    "unchecked": ("not checked", "not checked"),
    "missing": ("missing", "missing"),
}
"""Of one finding and of several."""

AS_PINNED = "the picture as it was pinned"


def story_html(story: Story, scenes: Mapping[str, Scene]) -> bytes:
    """Return the file. The same story, findings and store make the same bytes.

    scenes: its findings as they are now, by slug.
    """
    body = "\n".join(
        _texts(part) if isinstance(part, Text) else _finding(scenes[part.slug]) for part in story.parts
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(story.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1 dir="auto">{_text(story.title)}</h1>
<p class="quiet">{_text(summary(scenes))}</p>
{body}
<footer>Made by Featurescope. “Holds” says that, when this file was made, the numbers were read from the store
or computed again, and were those that had been pinned.</footer>
</main>
</body>
</html>
""".encode()


def summary(scenes: Mapping[str, Scene]) -> str:
    """Return how many findings there are, and how many of them hold."""
    kinds = [each.drawn.check.kind if each.drawn else "missing" for each in scenes.values()]
    counts = {kind: kinds.count(kind) for kind in WORDS if kind in kinds}
    said = (f"{count} {WORDS[kind][count > 1]}" for kind, count in counts.items())
    return f"{counted(len(kinds), 'finding')}: {', '.join(said)}"


def written(value: Value) -> str:
    """Return a number of a finding as text."""
    if isinstance(value, list):
        return ", ".join(map(written, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def first_numbers(finding: Finding) -> dict[str, str]:
    """Return the numbers that are shown before one asks for all of them, as short texts."""
    texts = {name: written(value) for name, value in list(finding.numbers.items())[:FIRST]}
    return {name: text if len(text) <= SHOWN else f"{text[:SHOWN]}…" for name, text in texts.items()}


def _texts(part: Text) -> str:
    return "\n".join(_paragraphs(part.paragraphs))


def _paragraphs(texts: Iterable[str]) -> Iterable[str]:
    return (f'<p dir="auto">{_lines(each)}</p>' for each in texts)


def _finding(scene: Scene) -> str:
    finding, drawn = scene.finding, scene.drawn
    if finding is None or drawn is None:
        return f'<section>\n<p class="problem">{_sentence(scene.problem)}</p>\n</section>'
    parts = [
        f'<h2 dir="auto">{_text(finding.title)}</h2>',
        _picture(scene, finding, drawn),
        *_paragraphs(Text(finding.note).paragraphs),
        _state(drawn),
        _numbers(finding),
        _recipe(drawn),
        _proof(finding, drawn),
    ]
    return "\n".join(["<section>", *filter(None, parts), "</section>"])


def _picture(scene: Scene, finding: Finding, drawn: Drawn) -> str:
    if scene.picture is None:
        return ""
    alt = f"{PAGES[finding.page].title} of {finding.title}" if finding.page in PAGES else finding.title
    said = (
        f"<figcaption>{_sentence(f'{AS_PINNED}: {drawn.wanting}')}</figcaption>"
        if drawn.picture is None
        else ""
    )
    return f'<figure><img src="{data_url(scene.picture)}" alt="{_text(alt)}">{said}</figure>'


def _state(drawn: Drawn) -> str:
    check = drawn.check
    more = "".join(f"<li>{_text(each)}</li>" for each in check.differences[1:MOST_DIFFERENCES])
    said = f'<p class="state {check.kind}"><b>{STATES[check.kind]}</b>{_sentence(check.sentence)}</p>'
    return f"{said}\n<ul>{more}</ul>" if more else said


def _numbers(finding: Finding) -> str:
    first, whole = first_numbers(finding), {name: written(value) for name, value in finding.numbers.items()}
    if not whole:
        return ""
    more = f"\n{_details(f'All {len(whole)} numbers', _table(whole))}" if first != whole else ""
    return _table(first) + more


def _table(said: Mapping[str, str]) -> str:
    rows = (
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(text)}</td></tr>' for name, text in said.items()
    )
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def _recipe(drawn: Drawn) -> str:
    if not drawn.recipe:
        return ""
    content = _code(drawn.recipe)
    if drawn.command is not None:
        content += f"<p>The command that makes the picture:</p>{_code(command_line(drawn.command))}"
    return _details("Recipe", content)


def _proof(finding: Finding, drawn: Drawn) -> str:
    facts = {
        "store": finding.store,
        "run": finding.run,
        "pinned": f"{finding.created:%Y-%m-%d %H:%M} UTC",
        **{f"network, {name}": text for name, text in finding.model.items()},
        **{f"images, {name}": text for name, text in finding.images.items()},
        **finding.environment,
    }
    content = _table(facts)
    if finding.proof:
        content += f"<p>What the view was made on, as its link says it:</p>{_code(finding.proof)}"
    if drawn.view is not None:
        opens = address(replace(drawn.view, proof=finding.proof))
        content += f"<p>Its address on a dashboard that serves this store:</p>{_code(opens)}"
    return _details("Proof", content)


def _details(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>{content}</details>"


def _code(text: str) -> str:
    return f"<pre>{_lines(text)}</pre>"


def _text(text: str) -> str:
    """Return HTML that shows a text in one line, and nothing else."""
    return escape(one_line(text))


def _lines(text: str) -> str:
    """Return HTML that shows a text over its lines; of each the spaces at its beginning stay."""
    lines = text.splitlines()
    return "\n".join(" " * (len(each) - len(each.lstrip(" "))) + _text(each) for each in lines)


def _sentence(text: str) -> str:
    """Return HTML of a sentence, capital first, full stop last; what stands in backticks is a command."""
    said = one_line(text)
    said = said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?")) else ".")
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(said))
