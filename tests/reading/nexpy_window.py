"""Opens files in NeXpy as people do, in a window that nobody sees, and notes what it plots.

python nexpy_window.py NOTES FOLDER FILE...
"""

import json
import os
import sys
import traceback
from argparse import Namespace
from pathlib import Path


def plotted(window, app, path: Path, pictures: Path) -> dict:
    window.load_file(str(path))
    tree = window.tree
    [name] = [name for name in tree.entries if tree[name].nxfilename == str(path)]
    window.treeview.select_node(tree[name])
    window.plot_data()
    app.processEvents()
    view = window.plotview
    window.grab().save(str(pictures / f"{path.stem}.png"))
    is_image = view.image is not None
    drawn = view.image.get_array().data if is_image else view.ax.get_lines()[0].get_ydata()
    return {
        "group": tree[name].plottable_data.nxpath,
        "title": view.ax.get_title(),
        "x": view.ax.get_xlabel(),
        "y": view.ax.get_ylabel(),
        "is_image": is_image,
        "axes": [view.axis[n].name for n in range(view.ndim)],
        "drawn": drawn.ravel().tolist(),
    }


def main(notes: Path, pictures: Path, *paths: Path) -> None:
    from nexpy.gui.consoleapp import NXConsoleApp

    found = NXConsoleApp()
    found.initialize(Namespace(filenames=[], faulthandler=False, restore=False))
    found.window.show()
    made = {path.name: plotted(found.window, found.app, path, pictures) for path in paths}
    notes.write_text(json.dumps(made), "utf-8")


if __name__ == "__main__":
    told = sys.stderr  # it takes what is printed for its own log
    try:
        main(*map(Path, sys.argv[1:]))
    except BaseException:  # noqa: BLE001
        traceback.print_exc(file=told)
        told.flush()
        os._exit(1)
    os._exit(0)  # its console would ask whether to leave
