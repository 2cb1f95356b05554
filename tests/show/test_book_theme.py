"""What the theme puts on a page and the book must not have; the page that shows the repository's own files."""

from types import SimpleNamespace

import pytest

from qdllm_utils.show import book_theme


def test_thebe_and_its_host_are_taken_out():
    body = (
        '<p>kept</p>\n    <script type="text/x-thebe-config">\n    {\n requestKernel: true\n }\n    </script>'
        "\n    <script>kernelName = 'python3'</script><script>let mine = 1</script>"
        '<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry">A</div></div>'
    )
    mended = '<p>kept</p><script>let mine = 1</script><div class="citation-list"><div class="citation">A</div></div>'
    assert book_theme.mended(body) == mended


def test_only_thebes_scripts_leave_the_head():
    thebe = [
        SimpleNamespace(filename=None, attributes={"body": 'const THEBE_JS_URL = "https://elsewhere"'}),
        SimpleNamespace(filename="_static/sphinx-thebe.js", attributes={"async": "async"}),
    ]
    kept = [SimpleNamespace(filename="_static/mend.js", attributes={}), "_static/plain.css"]
    context = {"script_files": [*thebe, *kept], "css_files": [*kept], "body": ""}
    book_theme.mend(None, "intro", "page.html", context, None)
    assert context["script_files"] == kept and context["css_files"] == kept and context["default_mode"] == "auto"


def test_the_page_of_citations_shows_the_files(tmp_path):
    (tmp_path / "CITATION.cff").write_text("title: T\nversion: 3.2.1\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 3.2.1\n\n* One.\n")
    page = book_theme.cited("v @VERSION@\n@CITATION@\n@CHANGES@\n", tmp_path)
    assert page == "v 3.2.1\ntitle: T\nversion: 3.2.1\n### 3.2.1\n\n* One.\n"


def test_another_page_is_left_alone():
    source = ["@VERSION@"]
    book_theme.cite(None, "intro", source)
    assert source == ["@VERSION@"]
    book_theme.cite(None, "cite", source)
    assert source[0][0].isdigit()


@pytest.mark.parametrize("name", ["CITATION.cff", "CHANGELOG.md"])
def test_the_files_are_there(name):
    assert (book_theme.ROOT / name).is_file()
