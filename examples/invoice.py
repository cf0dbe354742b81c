"""A folder of invoices, PDFs and pictures, to typed rows: `python examples/invoice.py > invoices.csv`.

It makes the folder itself (`pip install 'declarai-like[media]'`); without OPENAI_API_KEY the answers are made up.
"""

import csv
import os
import sys
from datetime import date
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import Document, Image

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.offline()
INVOICES = {
    "acme.pdf": "Acme Ltd\nInvoice A-17\n1 March 2026\n\nTotal: 1250.00 EUR",
    "bolt.png": "Bolt & Sons\nInvoice 4711\n9 March 2026\n\nTotal: 89.90 GBP",
}


class Invoice(BaseModel):
    company: str
    number: str
    day: date
    total: float
    currency: str


@llm.task
def read_invoice(scan: Image | Document) -> Invoice:
    """Read the invoice: what stands on it, and nothing made up."""
    return llm.magic(scan)


folder = Path(*sys.argv[1:] or ["invoices"])
folder.mkdir(exist_ok=True)
for name, words in INVOICES.items():
    page = Pillow.new("RGB", (300, 150), "white")
    ImageDraw.Draw(page).text((30, 30), words, fill="black")
    page.save(folder / name)  # a PDF or a picture, as the name says

rows = csv.writer(sys.stdout, lineterminator="\n")
for path in sorted(folder.iterdir()):  # what it is, its bytes say: a `.pdf` that is none is an error
    scan = Document.open(path) if path.suffix == ".pdf" else Image.open(path)
    rows.writerow([path.name, *read_invoice(scan).model_dump(mode="json").values()])
