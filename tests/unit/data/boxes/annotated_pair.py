"""Two images, one with a box, annotated as COCO, VOC and YOLO do; fixtures that write them are in
`conftest.py`.
"""

from __future__ import annotations

from PIL import Image

WIDTH, HEIGHT = 80, 60
BOX = (10, 20, 50, 45)  # left, top, right, bottom


def save_image(path, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 40)).save(path)


def coco_document():
    left, top, right, bottom = BOX
    box = [left, top, right - left, bottom - top]
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT},
            {"id": 2, "file_name": "b.png", "width": WIDTH, "height": HEIGHT},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": box, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"id": 3, "image_id": 1, "category_id": 8, "bbox": [1, 1, 9, 9], "iscrowd": 0},
        ],
        "categories": [{"id": 7, "name": "Stop Sign"}, {"id": 8, "name": "pole"}],
    }


VOC = """<annotation><filename>{name}</filename>
<size><width>80</width><height>60</height></size>{objects}</annotation>"""
VOC_OBJECT = """<object><name>{kind}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def voc_object(box=BOX, kind="stop", difficult=0):
    left, top, right, bottom = box
    return VOC_OBJECT.format(left + 1, top + 1, right, bottom, kind=kind, difficult=difficult)
