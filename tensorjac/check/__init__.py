"""Checking derivatives that were derived by hand, and naming what is wrong with them."""

from .report import Finding, Report

__all__ = ["Finding", "Report"]
