//! What is written about people. `{given}`, `{name}`, `{city}`, `{product}`, `{weekday}` and
//! `{number}` are filled in.

use super::Flavour;

pub(super) const JOB_TITLES: &[&str] = &[
    "Managing Director",
    "Chief Financial Officer",
    "Head of Operations",
    "Purchasing Manager",
    "IT Manager",
    "Office Manager",
    "Marketing Manager",
    "Sales Director",
    "Product Manager",
    "Project Manager",
    "Human Resources Manager",
    "Accountant",
    "Software Engineer",
    "Designer",
    "Consultant",
    "Nurse",
    "Teacher",
    "Architect",
    "Founder",
    "Operations Analyst",
];

pub(super) fn staff_titles(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::Software => {
            &["Account Executive", "Sales Manager", "Support Engineer", "Customer Success Manager"]
        }
        Flavour::Coaching => &["Coach", "Senior Coach", "Closer", "Setter", "Programme Manager"],
    }
}

pub(super) fn notes(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::Software => SOFTWARE_NOTES,
        Flavour::Coaching => COACHING_NOTES,
    }
}

const SOFTWARE_NOTES: &[&str] = &[
    "{given} wants a trial of {product} for {number} people before deciding.",
    "Their present system runs out at the end of the quarter; {given} would like to move by then.",
    "Met {name} at the trade fair in {city}. Asked for prices in writing.",
    "Budget is approved. Legal wants to see the data processing agreement first.",
    "{given} prefers mail to calls, and mornings to afternoons.",
    "They export everything to a spreadsheet by hand, {number} hours a week. Show the reports.",
    "Compared us with two others. We are dearer, but they liked the support.",
    "Asked whether {product} works without a connection. Sent the guide.",
    "Will bring in the head of finance for the next meeting on {weekday}.",
    "Very happy after the workshop, would act as a reference.",
    "Invoice goes to the office in {city}, not to the head office.",
    "Lost their project manager; pick up again in {number} weeks.",
];

const COACHING_NOTES: &[&str] = &[
    "{given} has led a team for {number} months and wants to learn to delegate.",
    "Came by recommendation. Nervous about the price, sure about the goal.",
    "First session went well. Homework: write down three decisions each day.",
    "Wants to change careers within the year. {product} fits.",
    "Prefers video calls; travels a lot between {city} and home.",
    "Asked to pay in three installments. Agreed.",
    "Missed the session on {weekday}, a child was ill. Moved without charge.",
    "{given} spoke in front of forty people last week. A big step.",
    "The employer pays; the invoice needs a purchase order number.",
    "Would like to join the circle with a friend.",
    "Considering {product} after the summer. Call again then.",
    "Finished the programme. Wrote a lovely review.",
];

pub(super) const CONVERSATIONS: &[&str] = &[
    "Talked through the offer for {product}. {given} will answer by {weekday}.",
    "Left a message; no answer yet.",
    "Walked {given} through the demo. Questions about prices and data protection.",
    "Sent the revised offer with {number} per cent off for a year.",
    "Short call: everything works, no open points.",
    "Agreed on the next meeting on {weekday} in {city}.",
    "{given} asked for a contract to read.",
    "Introduced the colleague who takes over.",
    "Went through the first invoice together; one line was unclear.",
    "Asked how the first {number} days went. Good, with two small wishes.",
];

pub(super) const FOLLOW_UPS: &[&str] = &[
    "Call {given} about the offer",
    "Send {name} the contract",
    "Ask {given} for feedback on {product}",
    "Prepare the meeting on {weekday}",
    "Check whether the payment has arrived",
    "Renewal: talk to {given}",
    "Send the reference from {city}",
    "Congratulate {given} on the launch",
];

pub(super) fn tickets(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::Software => &[
            "Cannot sign in after changing the password",
            "Export to spreadsheet stops half-way",
            "Invoice shows the wrong tax rate",
            "How do I add a second site?",
            "Report is slower than last week",
            "Please enable single sign-on",
            "Imported customers appear twice",
            "Feature request: approve from the phone",
        ],
        Flavour::Coaching => &[
            "Please move my session",
            "Link to the video call does not open",
            "I need an invoice for my employer",
            "Question about the installment plan",
            "Workbook arrived damaged",
            "Can a colleague join the team day?",
        ],
    }
}
