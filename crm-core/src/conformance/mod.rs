//! The public suite that every [`Store`] must pass, and the differential
//! test. With the feature `conformance`.
//!
//! A backend's whole test of the rules in [`semantics`](crate::store::semantics) is
//!
//! ```ignore
//! async fn open(catalogue: Catalogue) -> crm_core::Result<Arc<dyn Store>> {
//!     let store = MyStore::connect(&url).await?;
//!     store.prepare(&catalogue).await?; // after its tables were made, where it has tables
//!     Ok(Arc::new(store))
//! }
//!
//! crm_core::conformance::suite!(open);
//!
//! #[tokio::test(flavor = "multi_thread")]
//! async fn agrees_with_the_model() -> Result<(), crm_core::conformance::Failure> {
//!     crm_core::conformance::differential(open, crm_core::conformance::Settings::from_env()).await
//! }
//! ```
//!
//! [`suite!`] makes one test of each case, named after the rule it proves; [`run`] runs them all
//! in one go. Each case works in a fresh tenant and leaves other records alone, so that cases run
//! in parallel on one store, and again on a store that has been through them. None is ever
//! skipped. The crate that invokes the macro needs tokio with `macros` and `rt-multi-thread`.
//!
//! Requests are [`Scoped`](crate::store::Scoped) inside this module and nowhere handed out: it
//! must never become a way to ask across tenants.

mod aggregates;
mod cursors;
mod custom;
mod differential;
mod filters;
mod keys;
mod limits;
mod order;
mod related;
mod tenancy;
mod types;
mod values;
mod world;
mod writes;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

pub use self::differential::{Settings, differential};
pub use self::types::catalogue;
use self::world::World;
pub use self::world::{Failure, Outcome};
use crate::error::Result;
use crate::store::{Catalogue, Store};

pub use crate::__conformance_suite as suite;

/// Runs the suite: `suite!(open)` makes a `#[tokio::test]` of each case.
///
/// `open` is an async function from a [`Catalogue`] to a store that is prepared with it. It is
/// called once for each test.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_suite {
    ($open:expr) => {
        $crate::__conformance_cases! { __conformance_tests, $open }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ([$open:expr] $($area:ident: $($case:ident)+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() -> $crate::conformance::Outcome {
                $crate::conformance::run_case(stringify!($case), $open).await
            }
        )+)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($then:ident $(, $open:expr)?) => {
        $crate::$then! { [$($open)?]
            values:
                every_kind_of_value_comes_back_as_written
                absent_values_come_back_absent
                texts_come_back_without_normalisation
                long_texts_come_back_whole
                nul_is_refused_before_it_reaches_a_store
                edges_of_numbers_come_back
                decimals_are_kept_at_the_scale_of_their_field
                edges_of_time_come_back
                times_are_truncated_to_the_microsecond
                lists_keep_their_order_and_duplicates
                documents_come_back_equal
                a_custom_fields_key_may_be_any_text
                a_type_without_fields_of_its_own_is_stored
                an_update_replaces_every_value;
            filters:
                in_finds_values_of_each_kind
                comparisons_follow_the_order_of_each_kind
                a_comparison_with_an_absent_value_is_false_and_its_not_true
                an_empty_in_matches_nothing
                lists_are_asked_for_any_or_all_of_some_values
                text_is_equal_without_case_accents_and_compatibility_forms
                codes_are_compared_byte_by_byte
                parts_of_text_are_taken_literally
                the_empty_text_is_contained_in_every_present_text
                any_text_finds_itself
                decimals_compare_as_numbers
                custom_fields_are_compared_by_their_kind
                a_custom_value_of_another_kind_counts_as_absent
                custom_keys_are_taken_literally
                connectives_nest
                system_fields_are_filtered_by
                deleted_records_are_left_out_unless_asked_for;
            related:
                related_looks_at_live_and_deleted_records
                an_absent_reference_matches_no_related_filter
                related_reaches_on_to_global_records
                related_mixes_with_filters_of_the_record_itself
                an_end_is_of_the_type_and_identifier_that_it_names
                an_end_that_names_nothing_matches_no_filter
                an_end_never_leads_into_another_tenant
                an_end_is_known_by_what_its_type_declares
                every_word_must_occur_in_one_of_the_searchable_fields
                a_search_ignores_case_and_accents
                short_words_and_signs_are_searched_literally
                no_word_matches_across_fields
                a_search_follows_changes
                only_declared_questions_are_answered;
            order:
                each_kind_sorts_both_ways_with_absent_values_last
                custom_fields_sort_by_their_kind
                text_sorts_by_its_key_and_codes_by_their_bytes
                ties_are_broken_by_the_id_in_the_last_direction
                several_keys_apply_in_turn
                pages_divide_the_result_and_totals_count_it_all
                a_total_comes_only_where_it_is_asked_for;
            cursors:
                a_walk_gives_each_record_once_for_each_kind_of_key
                a_walk_may_have_several_keys
                custom_decimals_walk_at_their_own_scale
                next_is_given_exactly_where_more_lies_behind
                a_cursor_names_a_place_and_not_a_record
                keys_behind_the_id_name_no_place
                a_walk_is_steady_while_others_write
                a_cursor_of_another_order_is_refused;
            custom:
                a_custom_value_is_found_where_it_is_and_no_longer_where_it_was
                long_custom_texts_are_compared_to_their_end
                custom_values_at_their_limits_are_compared_exactly
                a_common_custom_value_is_asked_for_as_a_rare_one_is
                a_walk_by_a_custom_value_goes_on_to_those_without;
            writes:
                a_stale_version_is_rejected
                a_record_that_is_gone_is_stale
                an_id_is_taken_by_live_and_deleted_records
                concurrent_updates_lose_nothing
                a_batch_that_fails_leaves_nothing
                rejections_come_in_the_order_of_their_reasons
                an_empty_batch_does_nothing
                the_largest_batch_is_committed_whole
                a_commit_is_seen_by_every_query_after_it
                counters_begin_at_nothing_and_only_go_up
                counters_belong_to_their_tenant
                concurrent_increments_never_give_a_value_twice;
            keys:
                a_unique_key_compares_text_folded
                a_record_without_part_of_a_key_is_not_held_to_it
                deleted_records_hold_no_unique_key
                the_first_declared_key_at_fault_is_named
                two_operations_cannot_take_one_key
                of_two_who_take_a_key_at_once_one_wins
                a_reference_to_nothing_is_rejected
                a_reference_may_be_to_a_record_of_the_same_batch
                a_reference_may_be_to_a_deleted_record
                a_record_that_is_referred_to_cannot_be_removed
                a_removal_sees_the_state_before_its_batch
                of_a_reference_and_a_removal_at_once_one_wins
                lists_of_ids_are_no_references
                references_to_global_records_hold
                global_records_have_unique_keys_of_their_own;
            tenancy:
                tenants_may_have_the_same_ids_and_keys
                a_tenant_sees_its_own_records_only
                a_foreign_id_finds_nothing
                a_reference_into_another_tenant_is_missing
                related_stays_in_the_tenant
                a_batch_writes_inside_its_scope_only
                a_tenant_sees_no_global_records
                the_system_sees_and_writes_every_tenant
                the_system_keeps_tenants_with_the_same_ids_apart;
            aggregates:
                no_records_give_one_group_of_nothing
                each_kind_is_grouped_in_order_with_absent_keys_last
                each_kind_has_extremes_and_a_number_of_different_values
                texts_that_fold_alike_are_one_group_under_the_smallest
                each_element_of_a_list_is_a_group
                spans_count_the_bounds_behind_a_time
                sums_are_exact
                several_groupings_and_measures_combine
                figures_are_of_what_matches
                there_are_at_most_so_many_groups;
            limits:
                the_largest_part_is_given_whole
                the_longest_in_is_answered
                the_widest_and_deepest_filters_are_answered;
        }
    };
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A rule, as a test.
struct Case {
    name: &'static str,
    run: fn(World) -> Running,
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ([] $($area:ident: $($case:ident)+;)+) => {
        vec![$($(Case { name: stringify!($case), run: |world| Box::pin($area::$case(world)) },)+)+]
    };
}

fn cases() -> Vec<Case> {
    crate::__conformance_cases! { __conformance_list }
}

/// What became of each case.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The names of the cases that held.
    pub passed: Vec<&'static str>,
    /// The others, and why.
    pub failed: Vec<(&'static str, Failure)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cases passed, {} failed", self.passed.len(), self.failed.len())?;
        self.failed.iter().try_for_each(|(name, why)| write!(f, "\n{name}: {why}"))
    }
}

/// Runs every case, one after the other, on one store.
///
/// # Errors
/// Where the store cannot be opened.
pub async fn run(open: impl AsyncFn(Catalogue) -> Result<Arc<dyn Store>>) -> Result<Report> {
    let store = open(catalogue()).await?;
    let mut report = Report::default();
    for case in cases() {
        match (case.run)(World::new(Arc::clone(&store))).await {
            Ok(()) => report.passed.push(case.name),
            Err(failure) => report.failed.push((case.name, failure)),
        }
    }
    Ok(report)
}

/// Runs one case, by name.
///
/// # Errors
/// Why it does not hold.
pub async fn run_case(
    name: &str,
    open: impl AsyncFn(Catalogue) -> Result<Arc<dyn Store>>,
) -> Outcome {
    let store = open(catalogue()).await?;
    match cases().into_iter().find(|case| case.name == name) {
        Some(case) => (case.run)(World::new(store)).await,
        None => Err(Failure::new(format!("there is no case {name}"))),
    }
}
