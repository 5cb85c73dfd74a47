"""Random steps of what runs at once and is killed: queue, kept results, writers of a store and `prune`.

The same machines as in the tests, with other sequences each time.
"""

from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.support.machines import trying
from tests.torture.outcome import Outcome

STEPS = 50


def run(what: str, machine: type[RuleBasedStateMachine], sequences: int) -> Outcome:
    """So many sequences, each on objects of its own; the first failure, with its steps, ends it."""
    failures: tuple[str, ...] = ()
    try:
        run_state_machine_as_test(machine, settings=trying(sequences, STEPS, derandomize=False))
    except Exception as error:
        failures = ("\n".join([repr(error), *getattr(error, "__notes__", ())]),)
    return Outcome(f"random steps of {what}", sequences, failures, f"At most {STEPS} steps each.")
