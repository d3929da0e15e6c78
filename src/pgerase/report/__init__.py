"""Findings, explanations and matrices as text for people, and as data for machines. Decides nothing."""

from pgerase.report.findings import format_findings, printable
from pgerase.report.machine import json_text

__all__ = ["format_findings", "json_text", "printable"]
