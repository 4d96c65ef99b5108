"""What can be wrong with an X12 file or set, as stable words.

The codes are part of the interface: scripts match on them, so none is renamed. *Held* means that the set goes to
quarantine alone and its neighbours are stored; every other code is a warning beside a set or a file that is accepted.

======================== ===== =========================================================================
code                     held  means
======================== ===== =========================================================================
answer_empty                   a patient has neither a benefit nor a rejection
answer_unreadable              an answer could not be read any further; nothing is said of its coverage
bad_number                     an amount, a percentage or a quantity is not a number; it is left out
begins_later                   the coverage begins after the date asked for; if active, that date is unclear
bht_missing                    the set has no BHT, so it does not say which inquiry it answers, nor when
bht_repeated             held  a second BHT stands in the set: it is joined of two
component_is_repetition        ISA11 and ISA16 are the same character; it is read as the repetition separator
control_number_reused          ISA06, ISA13, GS06 and ST02 occurred together before; that alone holds nothing
control_numbers_unchecked      there are too many control numbers to look for repeated ones any further
date_format                    DTP02 or DMG02 announces another form of date than the one that follows
deceased                       the answer gives a date of the patient's death
ended_since                    the coverage or its plan had ended on the day of the answer, perhaps not when asked for
file_cut                       the file ends inside an interchange; nothing of it is to be stored
ge_control                     GE02 is not GS06
ge_count                       GE01 is not the number of sets in the group; where it is larger, the file is incomplete
ge_missing                     a group is not closed before the next GS, IEA or ISA
ge_without_gs                  a GE closes no open group
gs_code                        GS01 is not HB, although the group holds a 271
hl_duplicate                   an HL01 occurs twice in a set
hl_gap                         numbers are missing among the HL01 of a set
hl_level                       HL03 is none of 20, 21, 22 and 23; what stands under it is not read
hl_lost                  held  a patient begins without an HL of a patient, or under a benefit, or behind another name
hl_orphan                held  HL02 names an HL that the set does not have, or one that cannot be above
hl_parent                      HL02 is empty, or names a level too high; the nearest level above is taken
id_suspect                     the patient's id is a qualifier, a filler or a provider's number; it is not taken
iea_control                    IEA02 is not ISA13: the file is incomplete
iea_count                      IEA01 is not the number of groups; where it is larger, the file is incomplete
iea_missing                    an interchange is not closed before the next ISA
impossible_date                a date does not exist or is not a plausible one; it is kept as text
isa_unreadable           held  X12 stands outside of the interchanges, and no ISA that can be read tells its delimiters
isa_width                      an element of the ISA, or the whole of it, does not have its fixed width
late_nm1                       an NM1 has a separator too many, so its identifier stands one element late
leading_junk                   something other than blanks or a byte order mark stands before the first ISA
level_mismatch                 the NM1 under an HL is of a payer or a provider, and HL03 says otherwise; the NM1 decides
loop_not_closed                an LS has no LE, an LE no LS, or an NM1 under a benefit neither
lower_case                     segment names are in lower case; they are read as upper case
medical_inactive               medical care is told inactive, and active is a programme of other services only
members_passed_over            a zip holds files that are not X12; they are not read, and it is left on the server
no_envelope                    a bare ST…SE without ISA; the usual delimiters were taken
no_hierarchy             held  the set has no HL, so it says nothing of anybody
no_patient                     the set has neither a subscriber nor a rejection by the payer
not_in_force                   the payer says active, but the dates beside it leave out the date asked for
not_interchange                no ISA that can be read was found
not_utf8                       the set is not UTF-8; it was read as Windows-1252
nul_bytes                held  zeros stand in the data: something is missing there, and a file with them is incomplete
odd_service_type               a service type (EB03) is longer than any code; it is kept as it stands
other_payer_begins_later       another payer that is named begins after the date asked for; it is not told as found
other_payer_ended              another payer that is named is an earlier one, or had ended before the date asked for
other_payer_unnamed            neither a name nor an id of another payer is told; its kind, a message or EB05 names it
other_receiver           held  ISA08 or GS03 is none of `[sftp] receiver`: the set is meant for another
outside_interchange      held  the set stands outside of any interchange
patient_too_large        held  one patient has more segments than any real one
plan_contradicted              the plan is told inactive or not covered, and hospital or medical care active
read_otherwise                 a later reader holds the set or finds other patients in it; no coverage of it is told
rejection_without_reason       a rejection (AAA) gives no reason
repetition_separator           ISA11 is not what repeats service types; what does is seen in EB03
se_control               held  SE02 is not ST02
se_count                       SE01 is not the number of segments
se_missing               held  the next ST, GE, GS, IEA or ISA comes before the set's SE
segment_repeated               a segment that a patient has once at most (NM1, DMG, …) stands again; the first counts
segment_too_long         held  a segment is longer than any real one
set_cut                  held  the text ends before the set's SE
set_spliced              held  SE01 and HL01 say both that something is missing in the set
set_too_large            held  the set is larger than the limit
set_unreadable           held  the set could not be read
shifted_aaa                    an AAA has a separator too few or too many; its reason is taken from beside its place
shifted_nm1                    an NM1 lacks a separator, so its identifier stands one element early
st_code                  held  ST01 is no three digits, or is not 271 above EB segments: what follows may be a 271
st_missing               held  an SE has no ST
st_outside_group               a set stands in an interchange but in no group
stray_segments                 segments stand between the sets and belong to none
ta1_requested                  ISA14 asks for a TA1 acknowledgement; this program sends none
terminator_lost          held  SE01 is wrong, and a segment stands in the middle of another one
test_held                      what the sender marks as a test is held back: neither matched nor delivered
test_interchange               ISA15 is T: the sender says that this is a test
too_many_hl              held  the set has more HL than any real one
trailing_junk                  something other than blanks stands after an IEA
unknown_code                   EB01 is none of the codes of a 271; it is kept as it stands, and tells no coverage
unknown_segment                a segment has a name that the 271 does not use, or not there
utf16                          the file is UTF-16; offsets and bytes are those of its UTF-8 form
version_4010                   the set is a 004010X092; it is read by the rules of 005010X279
version_unknown                neither ST03 nor GS08 names a version of the 271 that is known here
======================== ===== =========================================================================
"""

from dataclasses import dataclass

MESSAGES = {
    "answer_empty": "The patient has neither a benefit nor a rejection.",
    "answer_unreadable": "The answer could not be read any further; nothing is said of its coverage.",
    "bad_number": "An amount, a percentage or a quantity is not a number and was left out.",
    "begins_later": "The coverage begins after the date asked for; if told active, that date is unclear.",
    "bht_missing": "The set has no BHT: it does not say which inquiry it answers, nor when.",
    "bht_repeated": "A second BHT stands in the set: it is joined of two.",
    "component_is_repetition": "ISA11 and ISA16 are the same character; it was read as the repetition separator.",
    "control_number_reused": "The control numbers occurred before in this file.",
    "control_numbers_unchecked": "There are too many control numbers to look for repeated ones any further.",
    "date_format": "A date is not in the form that the qualifier before it announces.",
    "deceased": "The answer gives a date of death of the patient.",
    "ended_since": "The coverage or its plan had ended on the day of the answer; whether that counts is unclear.",
    "file_cut": "The file ends inside an interchange.",
    "ge_control": "GE02 is not GS06.",
    "ge_count": "GE01 is not the number of sets in the group.",
    "ge_missing": "The group is not closed by a GE.",
    "ge_without_gs": "The GE closes no open group.",
    "gs_code": "GS01 is not HB, although the group holds a 271.",
    "hl_duplicate": "HL01 occurs twice in the set.",
    "hl_gap": "Numbers are missing among the HL01 of the set.",
    "hl_level": "HL03 is not 20, 21, 22 or 23; what stands under it was not read.",
    "hl_lost": "A patient begins without an HL of its own, so it is unclear of whom the benefits are.",
    "hl_orphan": "HL02 names an HL that the set does not have, or one that cannot be above.",
    "hl_parent": "HL02 is empty, or names a level too high; the nearest level above was taken.",
    "id_suspect": "The patient's id is a qualifier, a filler or a provider's number; it was not taken.",
    "iea_control": "IEA02 is not ISA13.",
    "iea_count": "IEA01 is not the number of groups in the interchange.",
    "iea_missing": "The interchange is not closed by an IEA.",
    "impossible_date": "A date does not exist or is not a plausible one; it was kept as text.",
    "isa_unreadable": "X12 without an ISA that can be read: have it sent anew.",
    "isa_width": "The ISA does not have its fixed widths; the delimiters were found by counting.",
    "late_nm1": "The NM1 has a separator too many; the identifier was taken from one element later.",
    "leading_junk": "Something other than blanks stands before the first ISA.",
    "level_mismatch": "The NM1 under an HL is of a payer or a provider, and HL03 says otherwise; the NM1 decided.",
    "loop_not_closed": "An LS has no LE, an LE no LS, or an NM1 under a benefit neither.",
    "lower_case": "Segment names are in lower case; they were read as upper case.",
    "medical_inactive": "The answer says that medical care is inactive; only a programme of other services is active.",
    "members_passed_over": "The zip holds files that are not X12; they were not read.",
    "no_envelope": "The set has no ISA; the usual delimiters were taken.",
    "no_hierarchy": "The set has no HL, so it names no patient.",
    "no_patient": "The set has neither a subscriber nor a rejection by the payer.",
    "not_in_force": "The payer says active, but the dates beside it leave out the date asked for.",
    "not_interchange": "No ISA that can be read was found.",
    "not_utf8": "The set is not UTF-8; it was read as Windows-1252.",
    "nul_bytes": "Zeros stand in the data: something is missing there.",
    "odd_service_type": "A service type is longer than any code; it was kept as it stands.",
    "other_payer_begins_later": "Another payer is named, one that begins after the date asked for.",
    "other_payer_ended": "Another payer is named, an earlier one or one that had ended before the date asked for.",
    "other_payer_unnamed": "Another payer has neither name nor id; its kind of insurance or a text tells who it is.",
    "other_receiver": "The set is meant for another receiver than those of [sftp] receiver.",
    "outside_interchange": "The set stands outside of any interchange.",
    "patient_too_large": "One patient has more segments than any real one, so the set was not read.",
    "plan_contradicted": "The answer says: the plan is inactive or not covered, hospital or medical care is active.",
    "read_otherwise": "A later cdpoll holds the set or finds other patients in it; no coverage of it is told.",
    "rejection_without_reason": "A rejection gives no reason.",
    "repetition_separator": "ISA11 is not what repeats service types; what does was seen in EB03.",
    "se_control": "SE02 is not ST02.",
    "se_count": "SE01 is not the number of segments in the set.",
    "se_missing": "The set is not closed by an SE.",
    "segment_repeated": "A segment that a patient has once at most stands again; the first counts.",
    "segment_too_long": "A segment is longer than any real one.",
    "set_cut": "The text ends before the set's SE.",
    "set_spliced": "SE01 and HL01 say both that something is missing in the set.",
    "set_too_large": "The set is larger than the limit.",
    "set_unreadable": "The set could not be read.",
    "shifted_aaa": "An AAA has a separator too few or too many; the reason was taken from beside its place.",
    "shifted_nm1": "The NM1 lacks a separator; the identifier was taken from one element earlier.",
    "st_code": "ST01 names no kind of set, or another one than its segments: a 271 may be damaged there.",
    "st_missing": "The SE has no ST.",
    "st_outside_group": "The set stands in no group.",
    "stray_segments": "Segments stand between the sets and belong to none.",
    "ta1_requested": "ISA14 asks for a TA1 acknowledgement; none is sent.",
    "terminator_lost": "SE01 is not the number of segments, and a segment stands in the middle of another one.",
    "test_held": "What the sender marks as a test is held back: neither matched nor delivered.",
    "test_interchange": "ISA15 is T: the sender says that this is a test.",
    "too_many_hl": "The set has more HL than any real one, so it was not read.",
    "trailing_junk": "Something other than blanks stands after an IEA.",
    "unknown_code": "EB01 is not a code of a 271; it was kept as it stands.",
    "unknown_segment": "The segment has a name that the 271 does not use, or not there.",
    "utf16": "The file is UTF-16; offsets and bytes are those of its UTF-8 form.",
    "version_4010": "The set is a 004010X092 and was read by the rules of 005010X279.",
    "version_unknown": "Neither ST03 nor GS08 names a version of the 271 that is known here.",
}

OF_ENVELOPE = frozenset(
    {
        "control_number_reused",
        "control_numbers_unchecked",
        "ge_control",
        "ge_count",
        "ge_missing",
        "ge_without_gs",
        "gs_code",
        "iea_control",
        "iea_count",
        "iea_missing",
        "isa_width",
        "leading_junk",
        "lower_case",
        "no_envelope",
        "se_count",
        "st_outside_group",
        "ta1_requested",
        "test_interchange",
        "trailing_junk",
        "utf16",
        "version_4010",
        "version_unknown",
    }
)
"""Warnings that say nothing against an answer. Some senders cause one of them in all of their files."""

HELD = frozenset(
    {
        "bht_repeated",
        "hl_lost",
        "hl_orphan",
        "isa_unreadable",
        "no_hierarchy",
        "nul_bytes",
        "other_receiver",
        "outside_interchange",
        "patient_too_large",
        "se_control",
        "se_missing",
        "segment_too_long",
        "set_cut",
        "set_spliced",
        "set_too_large",
        "set_unreadable",
        "st_code",
        "st_missing",
        "terminator_lost",
        "too_many_hl",
    }
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong: a code of the table, the segment's name, and a sentence for people.

    The sentence is a fixed one with at most a position behind it. It never holds a value of an element, so it can be
    logged.
    """

    code: str
    segment: str
    message: str


def issue(code: str, segment: str, where: str = "") -> Issue:
    """The :class:`Issue` for ``code``; ``where`` is a position such as ``HL 3, EB 12``, never a value."""
    return Issue(code, segment, f"{MESSAGES[code]} ({where})" if where else MESSAGES[code])


def in_words(codes: str) -> list[dict[str, str]]:
    """Codes that are joined by blanks, each with its message; one that is not known here stands as it is."""
    return [{"code": code, "message": MESSAGES.get(code, code)} for code in codes.split()]


def holds(issues: tuple[Issue, ...]) -> bool:
    """Whether one of the issues keeps its set in quarantine."""
    return any(one.code in HELD for one in issues)
