"""What all shapes have in common."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    # What is wrong with a value is said without the value: it may be a secret.
    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True)
