//! Runnable examples of embedding `crm-core`, one file each under `examples/`:
//!
//! | | shows |
//! | --- | --- |
//! | `first_program` | a tenant, an actor, customers, a filter, a refusal |
//! | `on_postgres` | the same on a database, which keeps what it is given |
//! | `own_role` | a role, a permission and a record type of one's own |
//! | `custom_fields` | fields that a tenant defines: typed, filtered, sorted |
//! | `typed_queries` | filters, orders, search, walking everything, figures |
//! | `own_clock` | standing at any date, in a test |
//! | `load_csv` | any CSV file into a tenant's customers |
//! | `mounted` | the whole REST API inside a poem application, beside its own routes |
//! | `tenants_apart` | the probe of the test kit, run over the API and an own operation beside it |
//! | `own_authentication` | the library behind one's own sign-in: claims become an actor |
//!
//! The last three want `--features http`, which takes the server in.
//!
//! `cargo run -p crm-examples --example first_program` runs one; `cargo nextest run -p
//! crm-examples` runs the test that each of them holds.
