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


def _drain(stage: pipeline.Stage) -> int:
    messages.begun(stage.task)
    return runner.drain(stages.lane_of(stage))
