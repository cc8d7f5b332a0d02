"""A program as a user of the Python client would write it, which openapi-python-client makes of the
document. It must type-check under mypy --strict and do what it says against a running server.

    python program.py URL EMAIL PASSWORD
"""

import sys

from crm_client import AuthenticatedClient, Client
from crm_client.api.auth import sign_in
from crm_client.api.custom_fields import create_custom_field, delete_custom_field
from crm_client.api.customers import (
    create_customer,
    delete_customer,
    list_customers,
    update_customer,
)
from crm_client.models import (
    CustomerConditions,
    CustomerInput,
    CustomerList,
    CustomerPatch,
    CustomerReply,
    CustomerStatus,
    CustomFieldInput,
    CustomFieldReply,
    CustomFields,
    CustomType,
    ErrorReply,
    LoginInput,
    Session,
    SignInResultReply,
)
from crm_client.types import UNSET, Unset

url, email, password = sys.argv[1:4]

session = sign_in.sync(
    client=Client(base_url=f"{url}/api/v1"), body=LoginInput(email=email, password=password)
)
assert isinstance(session, SignInResultReply), session
# Nobody in here has a second factor that would be asked for.
assert isinstance(session.data, Session), session
client = AuthenticatedClient(base_url=f"{url}/api/v1", token=session.data.token)

field = create_custom_field.sync(
    client=client,
    body=CustomFieldInput(
        record_type="customers", key="pySeats", label="Seats", type_=CustomType.NUMBER
    ),
)
assert isinstance(field, CustomFieldReply), field

created = []
for i, name in enumerate(["Snake One", "Snake Two", "Snake Three"]):
    own = CustomFields()
    own["pySeats"] = 10 * (i + 1)
    made = create_customer.sync(
        client=client,
        body=CustomerInput(
            company_name=name,
            annual_revenue="123456789012345.75",
            phone="+49 30 1234567",
            status=CustomerStatus.PAUSED if i == 2 else CustomerStatus.ACTIVE,
            custom_fields=own,
        ),
    )
    assert isinstance(made, CustomerReply), made
    assert made.data.annual_revenue == "123456789012345.75", made.data.annual_revenue
    created.append(made.data)

conditions = CustomerConditions(company_namestarts_with="Snake")
conditions["customFields.pySeats[gte]"] = 20
some = list_customers.sync(
    client=client,
    status=[CustomerStatus.ACTIVE, CustomerStatus.PAUSED],
    sort=["-customFields.pySeats", "name"],
    conditions=conditions,
)
assert isinstance(some, CustomerList), some
assert [one.company_name for one in some.data] == ["Snake Three", "Snake Two"], some
assert some.meta.total == 2

cursor: str | None | Unset = ""
walked = set()
while isinstance(cursor, str):
    part = list_customers.sync(
        client=client, cursor=cursor, limit=2, filter_='companyName = "Snake*"'
    )
    assert isinstance(part, CustomerList), part
    walked |= {one.id for one in part.data}
    cursor = part.meta.next_cursor
assert len(walked) == 3, walked

# Kept, set and cleared.
first = created[0]
version = f'"{first.version}"'
patch = CustomerPatch(phone=None, city="Kiel")
assert patch.status is UNSET, "what is not mentioned would be reset"
changed = update_customer.sync(first.id, client=client, body=patch, if_match=version)
assert isinstance(changed, CustomerReply), changed
assert (changed.data.phone, changed.data.city) == (None, "Kiel"), changed
assert changed.data.company_name == "Snake One" and changed.data.status == CustomerStatus.ACTIVE

stale = update_customer.sync(first.id, client=client, body=patch, if_match=version)
assert isinstance(stale, ErrorReply) and stale.errors[0].code == "STALE_VERSION", stale

for one in created:
    deleted = delete_customer.sync(one.id, client=client)
    assert isinstance(deleted, CustomerReply), deleted
delete_custom_field.sync(field.data.id, client=client)
print("the program in Python did what it says")
