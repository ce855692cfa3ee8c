"""The functions of pipeline.sql in Python, for Flink; brooklet has them built in.

They need the packages IP2Location and user-agents, and IP2LOCATION_DB in the environment. They
answer what the built-in ones answer; SET 'brooklet.functions.native' = 'false' runs them in
brooklet too.
"""

import functools
import os

from pyflink.table.udf import udf

UNKNOWN = "Unknown"


@functools.lru_cache(maxsize=None)
def places():
    import IP2Location

    return IP2Location.IP2Location(os.environ["IP2LOCATION_DB"])


def place(ip, part):
    return (ip and getattr(places(), part)(ip)) or UNKNOWN


@functools.lru_cache(maxsize=10_000)
def families(user_agent):
    from ua_parser import user_agent_parser

    browser = user_agent_parser.ParseUserAgent(user_agent)["family"]
    system = user_agent_parser.ParseOS(user_agent)["family"]
    known = (family and family.lower() != "other" for family in (system, browser))
    return [family if is_known else UNKNOWN for family, is_known in zip((system, browser), known)]


@udf(result_type="STRING")
def ip_country(ip):
    return place(ip, "get_country_long")


@udf(result_type="STRING")
def ip_region(ip):
    return place(ip, "get_region")


@udf(result_type="STRING")
def ip_city(ip):
    return place(ip, "get_city")


@udf(result_type="STRING")
def ua_os(user_agent):
    return families(user_agent)[0] if user_agent else UNKNOWN


@udf(result_type="STRING")
def ua_browser(user_agent):
    return families(user_agent)[1] if user_agent else UNKNOWN
