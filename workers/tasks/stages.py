"""One task per stage. Each may be lost, come twice or late: what there is to do is asked of the rows."""

from workers import messages, pipeline, recaptions, runner, stages
from workers.celery import app


@app.task(name=pipeline.FRAMES.task)
def frames() -> int:
    """Make the stills of new assets."""
    return _drain(pipeline.FRAMES)


@app.task(name=pipeline.DESCRIBE.task)
def describe() -> int:
    """Describe what is waiting, in batches."""
    stages.step_back()
    handled = _drain(pipeline.DESCRIBE)
    recaptions.follow()
    return handled


@app.task(name=pipeline.DESCRIBE.express_task)
def describe_express() -> int:
    """Describe fresh single uploads, which overtake bulk imports."""
    messages.begun(pipeline.DESCRIBE.express_task)
    return runner.drain(stages.lane_of(pipeline.DESCRIBE, express=True))


@app.task(name=pipeline.INDEX.task)
def index() -> int:
    """Make described frames findable."""
    return _drain(pipeline.INDEX)


@app.task(name=pipeline.TEXT.task)
def text() -> int:
    """Read what is written in photos that can be searched already."""
    stages.step_back()
    return _drain(pipeline.TEXT, budget_s=stages.TEXT_BUDGET_S)


def _drain(stage: pipeline.Stage, *, budget_s: float = runner.TIME_BUDGET_S) -> int:
    messages.begun(stage.task)
    return runner.drain(stages.lane_of(stage), budget_s=budget_s)
