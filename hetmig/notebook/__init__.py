"""IPython and Jupyter: cells that move.  `%load_ext hetmig` (`pip install "hetmig[notebook]"`).

%%migratable [--on NODE]     run this cell as a task; its variables come back
%hetmig, %ps, %mv, %checkpoint, %wait
"""

from __future__ import annotations
