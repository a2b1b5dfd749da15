"""incident.io's own client, `incident-io` on PyPI; each call asserts the type of its answer.

Importing it takes a second, so import this module inside a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from incident_io import AuthenticatedClient
from incident_io.api.incident_roles_v2 import incident_roles_v2_list
from incident_io.api.incident_types_v1 import incident_types_v1_list
from incident_io.api.incident_updates_v2 import incident_updates_v2_list
from incident_io.api.incidents_v2 import incidents_v2_list
from incident_io.api.schedules_v2 import schedules_v2_list
from incident_io.api.severities_v1 import severities_v1_list
from incident_io.api.utilities_v1 import utilities_v1_identity
from incident_io.models.error_response import ErrorResponse
from incident_io.models.incident_roles_list_result_v2 import IncidentRolesListResultV2
from incident_io.models.incident_types_list_result_v1 import IncidentTypesListResultV1
from incident_io.models.incident_updates_list_result_v2 import IncidentUpdatesListResultV2
from incident_io.models.incidents_list_result_v2 import IncidentsListResultV2
from incident_io.models.incidents_v2_list_mode import IncidentsV2ListMode
from incident_io.models.incidents_v2_list_status_category import IncidentsV2ListStatusCategory
from incident_io.models.pagination_meta_result_v2 import PaginationMetaResultV2
from incident_io.models.pagination_meta_result_with_total_v2 import PaginationMetaResultWithTotalV2
from incident_io.models.schedules_list_result_v2 import SchedulesListResultV2
from incident_io.models.severities_list_result_v1 import SeveritiesListResultV1
from incident_io.models.utilities_identity_result_v1 import UtilitiesIdentityResultV1
from incident_io.types import UNSET, Unset

Value = TypeVar("Value")


@contextmanager
def vendor_client(url: str, key: str) -> Iterator[VendorClient]:
    """Return a client that calls this server instead of incident.io."""
    with AuthenticatedClient(base_url=url, token=key) as client:
        yield VendorClient(client)


class VendorClient:
    """The calls that the tests need."""

    LIVE_AND_STANDARD: ClassVar[dict[str, Any]] = {
        "mode": IncidentsV2ListMode.from_dict({"one_of": ["standard"]}),
        "status_category": IncidentsV2ListStatusCategory.from_dict({"one_of": ["live"]}),
    }

    def __init__(self, client: AuthenticatedClient) -> None:
        self.client = client

    def incidents(self, after: str | None = None, **query: Any) -> IncidentsListResultV2:  # noqa: ANN401 - the vendor's types
        """List incidents."""
        result = incidents_v2_list.sync(client=self.client, after=after or UNSET, **query)
        assert isinstance(result, IncidentsListResultV2)
        return result

    def incidents_error(self, **query: Any) -> ErrorResponse:  # noqa: ANN401 - the same
        """List incidents, and expect a refusal."""
        result = incidents_v2_list.sync(client=self.client, **query)
        assert isinstance(result, ErrorResponse)
        return result

    def schedules(self, after: str | None = None) -> SchedulesListResultV2:
        """List schedules."""
        result = schedules_v2_list.sync(client=self.client, after=after or UNSET)
        assert isinstance(result, SchedulesListResultV2)
        return result

    def schedules_error(self) -> ErrorResponse:
        """List schedules, and expect an error."""
        result = schedules_v2_list.sync(client=self.client)
        assert isinstance(result, ErrorResponse)
        return result

    def updates(self, incident: str, after: str | None = None) -> IncidentUpdatesListResultV2:
        """List the updates of an incident, one per page."""
        result = incident_updates_v2_list.sync(
            client=self.client, incident_id=incident, page_size=1, after=after or UNSET
        )
        assert isinstance(result, IncidentUpdatesListResultV2)
        return result

    def roles(self) -> IncidentRolesListResultV2:
        """List incident roles."""
        result = incident_roles_v2_list.sync(client=self.client)
        assert isinstance(result, IncidentRolesListResultV2)
        return result

    def identity(self) -> UtilitiesIdentityResultV1:
        """Get the rights of the key."""
        result = utilities_v1_identity.sync(client=self.client)
        assert isinstance(result, UtilitiesIdentityResultV1)
        return result

    def severities(self) -> SeveritiesListResultV1:
        """List severities."""
        result = severities_v1_list.sync(client=self.client)
        assert isinstance(result, SeveritiesListResultV1)
        return result

    def types(self) -> IncidentTypesListResultV1:
        """List incident types."""
        result = incident_types_v1_list.sync(client=self.client)
        assert isinstance(result, IncidentTypesListResultV1)
        return result

    @staticmethod
    def present(value: Value | Unset) -> Value:
        """Return a value that must be in the answer."""
        assert not isinstance(value, Unset)
        return value

    @staticmethod
    def next_cursor(
        meta: PaginationMetaResultV2 | PaginationMetaResultWithTotalV2 | Unset,
    ) -> str | None:
        """Return the next page's cursor, or None after the last page."""
        after = UNSET if isinstance(meta, Unset) else meta.after
        return None if isinstance(after, Unset) else after
