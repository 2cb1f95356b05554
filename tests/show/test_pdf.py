"""The book on paper: what is said without Chromium here, the PDF itself in tests/browser/test_pdf.py."""

from qdllm_utils.show import pdf


def test_without_chromium_one_sentence_says_what_to_do(refused, monkeypatch, tmp_path):
    monkeypatch.delenv("QDLLM_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused("Chromium", "QDLLM_CHROMIUM"):
        pdf.make(tmp_path, tmp_path / "book.pdf")
    monkeypatch.setenv("QDLLM_CHROMIUM", "no-such-program")
    with refused("none was found"):
        pdf.chromium()


def test_a_browser_that_prints_nothing_is_told(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("QDLLM_CHROMIUM", "false")
    monkeypatch.setattr(pdf, "build_book", lambda *_, **__: None)
    (tmp_path / "book").mkdir()
    with refused("printed no PDF"):
        pdf.make(tmp_path / "book", tmp_path / "book.pdf")
