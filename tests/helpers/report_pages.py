"""A report as a reader has it."""

from html.parser import HTMLParser


class Words(HTMLParser):
    """Tags, attributes, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], [], None
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.words.append(data)

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


class Page(Words):
    """The same of a file."""

    def __init__(self, path):
        super().__init__(path.read_text())
