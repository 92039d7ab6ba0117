"""XlsxWriter beside Simcube: reads the rows of a CSV file, then writes them as a workbook for each line that it is told."""

import csv
import sys
import time

import xlsxwriter

NUMBERS = {"bytes_up", "bytes_down", "units", "records"}

with open(sys.argv[1], newline="", encoding="utf-8") as file:
    header, *rows = csv.reader(file)
# Numbers are numbers before the time begins: they are there as such for the other side, too.
numeric = [name in NUMBERS for name in header]
rows = [[int(cell) if is_number else cell for cell, is_number in zip(row, numeric)] for row in rows]
print("ready", flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    book = xlsxwriter.Workbook(sys.argv[2], {"constant_memory": True})
    sheet = book.add_worksheet("records")
    for column, name in enumerate(header):
        sheet.write_string(0, column, name)
    for n, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            if numeric[column]:
                sheet.write_number(n, column, cell)
            elif cell:
                sheet.write_string(n, column, cell)
    book.close()
    print(len(rows), time.perf_counter() - started, flush=True)
