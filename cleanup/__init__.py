"""Finds the bounces of mail that a person never sent, files them, says why, and can take everything back."""

__version__ = "0.2.2"

# What notebooks use, imported when it is asked for: the commands must start without pandas.
_PUBLIC = {
    "begin": "cleanup.notebook",
    "judge_file": "cleanup.notebook",
    "load_frames": "cleanup.notebook",
    "one_mailbox": "cleanup.notebook",
    "open_ledger": "cleanup.notebook",
    "sample_ledger": "cleanup.notebook",
    "section": "cleanup.notebook",
    "show": "cleanup.notebook",
    "tell": "cleanup.notebook",
    "by_domain": "cleanup.report.summary.domains",
    "past_rules": "cleanup.report.summary.sieve",
    "running_campaigns": "cleanup.report.summary.sieve",
    "script": "cleanup.report.summary.sieve",
    "sieve_rule": "cleanup.report.summary.sieve",
    "summarize": "cleanup.report.summary.summarize",
    "ablation": "cleanup.report.summary.what_if",
    "policy_snippet": "cleanup.report.summary.what_if",
    "threshold_curve": "cleanup.report.summary.what_if",
    "what_if": "cleanup.report.summary.what_if",
    "Family": "cleanup.model",
    "Policy": "cleanup.model",
    "Verdict": "cleanup.model",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cleanup' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
