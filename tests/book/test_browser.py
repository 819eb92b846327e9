"""The built book in a real browser, opened from its folder: no server and no network."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTERS = sorted(p.stem for p in BOOK.glob("ch[0-9][0-9]_*.md"))
PAGES = sorted(p.relative_to(BOOK.parent).with_suffix("").as_posix() for p in BOOK.glob("*.md"))
PAGES += [f"book/solutions/{stem}" for stem in CHAPTERS]

# Text of the article outside code: what a reader sees.
PROSE = """() => {
  const article = document.querySelector("article.bd-article").cloneNode(true);
  const code = article.querySelectorAll("pre, code, script, style, mjx-container, .js-plotly-plot");
  for (const node of code) node.remove();
  return article.textContent;
}"""

# The worst contrast of text to the ground it stands on (WCAG 2), with the text.
CONTRAST = """() => {
  const light = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const rgba = (s) => { const v = s.match(/[\\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
  const luminance = ([r, g, b]) => 0.2126 * light(r / 255) + 0.7152 * light(g / 255) + 0.0722 * light(b / 255);
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]);
  const ground = (node) => {
    const stack = [];
    for (let n = node; n; n = n.parentElement) {
      const c = rgba(getComputedStyle(n).backgroundColor);
      if (c[3] > 0) stack.push(c);
      if (c[3] === 1) break;
    }
    return stack.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  let worst = [21, "nothing"];
  for (const node of document.querySelectorAll("article.bd-article *")) {
    if (node.closest("svg, mjx-assistive-mml, .headerlink, button, script, style")) continue;
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(node);
    if (!own || node.getClientRects().length === 0 || style.visibility === "hidden") continue;
    const below = ground(node);
    const [a, b] = [luminance(over(rgba(style.color), below)), luminance(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = node.tagName + "." + node.className + ": " + node.textContent.trim().slice(0, 60);
    if (ratio < worst[0]) worst = [ratio, name];
  }
  return worst;
}"""


@contextmanager
def opened(browser, html, page, *, width=1200, theme="light", query=""):
    """A page with what went wrong on it: errors on the console, requests that left the folder."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    tab = context.new_page()
    wrong = []
    tab.on("console", lambda m: wrong.append(f"console {m.type}: {m.text}") if m.type == "error" else None)
    tab.on("pageerror", lambda e: wrong.append(f"error: {e}"))
    tab.on("requestfailed", lambda r: wrong.append(f"failed: {r.url}"))

    def guard(route):
        url = route.request.url
        if url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"request to another host: {url}")
            route.abort()

    tab.route("**/*", guard)
    tab.add_init_script(f"localStorage.setItem('theme', '{theme}'); localStorage.setItem('mode', '{theme}')")
    tab.goto((html / f"{page}.html").as_uri() + query)
    tab.wait_for_load_state("load")
    tab.evaluate("window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => true) : true")
    yield tab, wrong
    context.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_whole_without_a_network(browser, html, page):
    with opened(browser, html, page) as (tab, wrong):
        tab.wait_for_timeout(300)
        assert not wrong
        assert tab.locator("article.bd-article h1").count() == 1
        assert tab.evaluate("document.fonts.ready.then(() => true)")


def test_a_request_to_another_host_is_noticed(browser, html):
    with opened(browser, html, "book/intro") as (tab, wrong):
        tab.evaluate("fetch('https://example.org/').catch(() => null)")
        assert any("another host" in line for line in wrong)


@pytest.mark.parametrize("page", PAGES)
def test_math_is_rendered_and_no_markup_is_left(browser, html, page):
    with opened(browser, html, page) as (tab, _):
        assert tab.locator("mjx-container").count() >= tab.locator("article .math").count()
        assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0, "MathJax met a command that it does not know"
        prose = tab.evaluate(PROSE)
        left = [
            mark
            for mark in ("\\(", "\\[", "$", "```", ":::", "{prf:", "{eq}", "{cite", "{glue", "{ref}")
            if mark in prose
        ]
        assert not left, f"raw markup in the page: {left}"


@pytest.mark.parametrize("stem", CHAPTERS)
def test_a_chapter_has_mathematics(browser, html, stem):
    with opened(browser, html, f"book/{stem}") as (tab, _):
        assert tab.locator("mjx-container").count() > 5
        wide = tab.evaluate(
            "document.fonts.check('16px MJXTEX') || [...document.fonts].some(f => f.status === 'loaded')"
        )
        assert wide, "MathJax's fonts were not loaded"


def picture(slider):
    """What the figure of a slider shows, as a short text."""
    drawn = slider.evaluate("s => s.querySelector('.cartesianlayer').innerHTML")
    return hashlib.sha256(drawn.encode()).hexdigest()


def sliders(tab):
    tab.wait_for_selector(".slt-slider .cartesianlayer", timeout=10_000, state="attached")
    found = tab.locator(".slt-slider:has(input[type=range])")
    assert found.count() > 0, "the chapter has nothing to play with"
    return [found.nth(k) for k in range(found.count())]


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("stem", CHAPTERS)
def test_each_slider_moves_its_figure(browser, html, stem, width):
    with opened(browser, html, f"book/{stem}", width=width) as (tab, wrong):
        for slider in sliders(tab):
            handle = slider.locator("input[type=range]")
            handle.scroll_into_view_if_needed()
            shown = [picture(slider)]
            for place in (0.97, 0.5):
                box = handle.bounding_box()
                assert box is not None
                tab.mouse.click(box["x"] + place * box["width"], box["y"] + box["height"] / 2)
                tab.wait_for_timeout(200)
                shown.append(picture(slider))
            handle.press("Home")  # a click cannot hit the first of many places
            tab.wait_for_timeout(200)
            shown.append(picture(slider))
            assert shown[1] != shown[0], "the slider was moved to its end and the figure stood still"
            assert shown[2] != shown[1], "the slider was moved to the middle and the figure stood still"
            assert shown[3] == shown[0], "the slider is back at its start and the figure is another one"
            assert slider.evaluate("s => s.scrollWidth <= s.clientWidth"), "the figure is wider than its place"
        assert not wrong


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_keyboard_moves_each_slider(browser, html, stem):
    with opened(browser, html, f"book/{stem}") as (tab, wrong):
        for slider in sliders(tab):
            handle = slider.locator("input[type=range]")
            handle.focus()
            tab.keyboard.press("Home")
            tab.wait_for_timeout(200)
            before, first = picture(slider), handle.get_attribute("aria-valuetext")
            tab.keyboard.press("End")
            tab.wait_for_timeout(200)
            assert picture(slider) != before
            assert handle.get_attribute("aria-valuetext") != first
            assert handle.get_attribute("aria-label")
        assert not wrong


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_shows_the_page_without_scrolling_sideways(browser, html, page):
    with opened(browser, html, page, width=390) as (tab, _):
        width = tab.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert width <= 390
        # Nothing is merely cut off either: what is wider than the screen scrolls in a box of its own.
        cut = tab.evaluate("""() => [...document.querySelectorAll("article.bd-article *")].filter((n) => {
            if (n.closest("mjx-container, svg, .headerlink") || n.getBoundingClientRect().right <= 391) return false;
            for (let b = n; b && b.tagName !== "ARTICLE"; b = b.parentElement) {
              const style = getComputedStyle(b);
              if (["auto", "scroll"].includes(style.overflowX) || style.position === "absolute") return false;
            }
            return n.getClientRects().length > 0;
          }).map((n) => n.tagName + "." + n.className).slice(0, 5)""")
        assert not cut, f"cut off at 390 px: {cut}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_text_is_legible(browser, html, page, theme):
    """WCAG AA asks for a contrast of 4.5 to 1."""
    with opened(browser, html, page, theme=theme) as (tab, _):
        assert tab.evaluate("document.documentElement.dataset.theme") == theme
        tab.wait_for_timeout(300)
        ratio, where = tab.evaluate(CONTRAST)
        assert ratio >= 4.5, f"contrast {ratio:.2f} at {where}"


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_has_a_text(browser, html, page):
    with opened(browser, html, page) as (tab, _):
        silent = tab.evaluate(
            "[...document.images].filter(i => (i.getAttribute('alt') || '').trim().length < 15 || "
            "/[.](png|svg)$/.test(i.alt)).map(i => i.src)"
        )
        assert not silent, f"no alt text: {silent}"


def test_search_finds_a_term(browser, html):
    with opened(browser, html, "search", query="?q=entropy") as (tab, wrong):
        tab.wait_for_selector("ul.search li a", timeout=5000)
        tab.wait_for_timeout(500)
        found = tab.eval_on_selector_all("ul.search li a", "links => links.map(a => a.getAttribute('href'))")
        assert any("book/ch01_definition.html" in link for link in found)
        assert any("book/glossary.html" in link for link in found)
        assert not wrong
