"""One page by itself: its cells in one namespace, what they print, and its figures under their names."""

import pytest

pytest.importorskip("sphinx", reason="pip install -e '.[book]'")
from ext.page import run

PAGE = """---
kernelspec: {name: python3}
---

```{code-cell} ipython3
import matplotlib.pyplot as plt
a = 20
a + 1
```

```{code-cell} ipython3
:tags: [remove-cell]
from myst_nb import glue
glue("a", a)
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-line
---
print(a + 2)
plt.plot([1, 2]);
```

```python
raise ValueError("text, not a cell")
```

```{code-cell} ipython3
plt.plot([3]); a
```
"""


def test_a_page_runs_by_itself(tmp_path, capsys):
    # Kills: a namespace for each cell, the last value not printed or printed in spite of a semicolon, code that is
    # shown and not run, glued numbers, a figure of one cell drawn again for the next.
    page = tmp_path / "study.md"
    page.write_text(PAGE)
    figures = run(page, tmp_path / "out")
    assert capsys.readouterr().out.split() == ["21", "22", "20"]
    assert [f.name for f in figures] == ["fig-line.png", "study-4.png"]
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in figures)
