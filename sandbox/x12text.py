"""Writes X12: the 270 of a question and the 271 of an answer (005010X279A1), with right widths and counts.

The vendor's own slips (a short ISA, a wrong SE01, …) are faults, made from these right texts by
:mod:`sandbox.mischief`.
"""

from sandbox.inquiry import Inquiry
from worker.core.instant import iso

_FORBIDDEN = str.maketrans("", "", "*~^:\r\n")


def clean(text: str) -> str:
    """Text fit for an element: upper case, no delimiter in it."""
    return text.translate(_FORBIDDEN).strip().upper()


def day(at: int) -> str:
    """``YYYYMMDD`` of an instant."""
    return iso(at)[:10].replace("-", "")


def minute(at: int) -> str:
    """``HHMM`` of an instant."""
    return iso(at)[11:16].replace(":", "")


def interchange(at: int, control: int, functional: str, body: list[str], sender: str, receiver: str) -> str:
    """One interchange with one group and one set. ``body`` is what stands between ST and SE."""
    kind = "270" if functional == "HS" else "271"
    number = f"{control % 1_000_000_000:09d}"
    rows = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:15.15}*ZZ*{receiver:15.15}*{day(at)[2:]}*{minute(at)}*^*00501*{number}*0*T*:",
        f"GS*{functional}*{sender}*{receiver}*{day(at)}*{minute(at)}*{int(number)}*X*005010X279A1",
        f"ST*{kind}*0001*005010X279A1",
        *body,
        f"SE*{len(body) + 2}*0001",
        f"GE*1*{int(number)}",
        f"IEA*1*{number}",
    ]
    return "~".join(rows) + "~"


def write_270(ask: Inquiry, at: int, control: int) -> str:
    """The question as a 270."""
    body = [
        f"BHT*0022*13*{clean(ask.reference)}*{day(at)}*{minute(at)}",
        "HL*1**20*1",
        f"NM1*PR*2*{clean(ask.payer_name)}*****PI*{clean(ask.payer_id)}",
        "HL*2*1*21*1",
        f"NM1*1P*2*{clean(ask.provider_name)}*****XX*{ask.npi}",
        "HL*3*2*22*0",
        f"TRN*1*{ask.trace_number}*{ask.originator_id}",
        f"NM1*IL*1*{clean(ask.last_name)}*{clean(ask.first_name)}****MI*{clean(ask.member_id)}",
        *([f"REF*EJ*{clean(ask.account_number)}"] if ask.account_number else []),
        f"DMG*D8*{ask.birth_date}*{ask.gender}",
        f"DTP*291*D8*{ask.service_date}",
        "EQ*30",
    ]
    return interchange(at, control, "HS", body, "CDPOLLCLIENT", "CDPOLLSANDBOX")


# Plans an eligible answer can name, by the family of the path: (EB04, plan name).
PLANS = {
    "Medicare": ("MA", "INVENTED MEDICARE PART A"),
    "Commercial": ("C1", "INVENTED GOLD PPO"),
    "Medicaid": ("MC", "INVENTED STATE MEDICAID"),
    "HMO": ("HM", "INVENTED CARE HMO"),
    "RTCOB": ("C1", "INVENTED SECOND COVERAGE"),
    "CoverageInsight": ("C1", "INVENTED EMPLOYER PLAN"),
    "SearchOptions": ("C1", "INVENTED REGIONAL PLAN"),
}


def _benefits(family: str, ask: Inquiry, amount: int) -> list[str]:
    kind, plan = PLANS[family]
    year = (ask.service_date or "20260101")[:4]
    return [
        f"EB*1*IND*30^1^33^47^48^50^86^98^AL^MH^UC*{kind}*{plan}",
        f"DTP*292*RD8*{year}0101-{year}1231",
        f"EB*C*IND*30*{kind}**23*{amount}",
        f"EB*C*FAM*30*{kind}**29*{amount * 2}.5",
        f"EB*B*IND*98*{kind}**27*{amount % 60 + 5}*****Y",
        f"EB*A*IND*30*{kind}**27**.2****Y",
        "MSG*INVENTED BY THE SANDBOX. NO SUCH COVERAGE EXISTS",
    ]


def write_271(ask: Inquiry, status: str, family: str, payer: tuple[str, str], at: int, control: int) -> str | None:
    """The answer as a 271; ``None`` where the payer gave no answer at all.

    ``status`` is a transaction status of the vendor, ``payer`` an id and a name. ``control`` also makes the
    amounts, so that two answers differ.
    """
    if status in ("processing_error", "payer_unavailable"):
        return None
    refused = status == "payer_not_in_system"
    body = [
        f"BHT*0022*11*{clean(ask.reference) or control}*{day(at)}*{minute(at)}",
        f"HL*1**20*{0 if refused else 1}",
        *(["AAA*N**79*N"] if refused else []),
        f"NM1*PR*2*{clean(payer[1])}*****PI*{clean(payer[0])}",
    ]
    if not refused:
        body += [
            "HL*2*1*21*1",
            f"NM1*1P*2*{clean(ask.provider_name) or 'SANDBOX PROVIDER'}*****XX*{ask.npi}",
            "HL*3*2*22*0",
            f"TRN*2*{clean(ask.trace_number) or control}*{clean(ask.originator_id) or '9SANDBOX01'}",
            f"TRN*1*{control}{control % 97:02d}*9SANDBOX00",
            f"NM1*IL*1*{clean(ask.last_name)}*{clean(ask.first_name)}****MI*{clean(ask.member_id)}",
        ]
        if status == "patient_unknown":
            body.append("AAA*N**75*C")
        if ask.birth_date:
            body.append(f"DMG*D8*{ask.birth_date}" + (f"*{ask.gender}" if ask.gender else ""))
        if ask.service_date:
            form = "RD8" if "-" in ask.service_date else "D8"
            body.append(f"DTP*291*{form}*{ask.service_date}")
    if status == "eligible":
        body += _benefits(family, ask, control % 4000 + 250)
    elif status == "ineligible":
        body += ["EB*6**30", "MSG*NO COVERAGE IN FORCE ON THE DATE ASKED ABOUT"]
    return interchange(at, control, "HB", body, "CDPOLLSANDBOX", "CDPOLLCLIENT")
