from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecommendRequest(_message.Message):
    __slots__ = ("id", "n", "kind", "exclude", "category", "anonymous_id", "context", "explain")
    ID_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    id: str
    n: int
    kind: str
    exclude: _containers.RepeatedScalarFieldContainer[str]
    category: str
    anonymous_id: str
    context: _struct_pb2.Struct
    explain: bool
    def __init__(self, id: _Optional[str] = ..., n: _Optional[int] = ..., kind: _Optional[str] = ..., exclude: _Optional[_Iterable[str]] = ..., category: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., explain: _Optional[bool] = ...) -> None: ...

class SimilarRequest(_message.Message):
    __slots__ = ("item_id", "n", "exclude")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    n: int
    exclude: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, item_id: _Optional[str] = ..., n: _Optional[int] = ..., exclude: _Optional[_Iterable[str]] = ...) -> None: ...

class NextRequest(_message.Message):
    __slots__ = ("recent", "user_id", "anonymous_id", "n", "exclude", "context")
    RECENT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    recent: _containers.RepeatedScalarFieldContainer[str]
    user_id: str
    anonymous_id: str
    n: int
    exclude: _containers.RepeatedScalarFieldContainer[str]
    context: _struct_pb2.Struct
    def __init__(self, recent: _Optional[_Iterable[str]] = ..., user_id: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., n: _Optional[int] = ..., exclude: _Optional[_Iterable[str]] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class PersonalizeRequest(_message.Message):
    __slots__ = ("user_id", "anonymous_id", "slots", "context", "exclude", "format", "page", "explain")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    anonymous_id: str
    slots: _containers.RepeatedScalarFieldContainer[str]
    context: _struct_pb2.Struct
    exclude: _containers.RepeatedScalarFieldContainer[str]
    format: str
    page: str
    explain: bool
    def __init__(self, user_id: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., slots: _Optional[_Iterable[str]] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., exclude: _Optional[_Iterable[str]] = ..., format: _Optional[str] = ..., page: _Optional[str] = ..., explain: _Optional[bool] = ...) -> None: ...

class PersonRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class RenderEmailRequest(_message.Message):
    __slots__ = ("template", "user_id", "name", "data", "context")
    class DataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    template: str
    user_id: str
    name: str
    data: _containers.ScalarMap[str, str]
    context: _struct_pb2.Struct
    def __init__(self, template: _Optional[str] = ..., user_id: _Optional[str] = ..., name: _Optional[str] = ..., data: _Optional[_Mapping[str, str]] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("rank", "item_id", "score", "reason", "title")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    rank: int
    item_id: str
    score: float
    reason: str
    title: str
    def __init__(self, rank: _Optional[int] = ..., item_id: _Optional[str] = ..., score: _Optional[float] = ..., reason: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class Trace(_message.Message):
    __slots__ = ("name", "kind", "outcome", "why", "priority", "specificity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SPECIFICITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    outcome: str
    why: str
    priority: int
    specificity: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., outcome: _Optional[str] = ..., why: _Optional[str] = ..., priority: _Optional[int] = ..., specificity: _Optional[int] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("item_id", "rule", "why")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    rule: str
    why: str
    def __init__(self, item_id: _Optional[str] = ..., rule: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("rules", "left_out")
    RULES_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Trace]
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    def __init__(self, rules: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ...) -> None: ...

class ListAnswer(_message.Message):
    __slots__ = ("user_id", "item_id", "anonymous_id", "items", "strategy", "model_version", "window", "store_version", "variant", "fallback", "decision_id", "explain", "experiments")
    class ExperimentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    STORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    item_id: str
    anonymous_id: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    strategy: str
    model_version: str
    window: str
    store_version: str
    variant: str
    fallback: str
    decision_id: str
    explain: Explanation
    experiments: _containers.ScalarMap[str, str]
    def __init__(self, user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., strategy: _Optional[str] = ..., model_version: _Optional[str] = ..., window: _Optional[str] = ..., store_version: _Optional[str] = ..., variant: _Optional[str] = ..., fallback: _Optional[str] = ..., decision_id: _Optional[str] = ..., explain: _Optional[_Union[Explanation, _Mapping]] = ..., experiments: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("status", "code", "detail", "retry_after")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    status: int
    code: str
    detail: str
    retry_after: int
    def __init__(self, status: _Optional[int] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., retry_after: _Optional[int] = ...) -> None: ...

class ListResult(_message.Message):
    __slots__ = ("answer", "problem")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    answer: ListAnswer
    problem: Problem
    def __init__(self, answer: _Optional[_Union[ListAnswer, _Mapping]] = ..., problem: _Optional[_Union[Problem, _Mapping]] = ...) -> None: ...

class ListHead(_message.Message):
    __slots__ = ("strategy", "model_version", "window")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    strategy: str
    model_version: str
    window: str
    def __init__(self, strategy: _Optional[str] = ..., model_version: _Optional[str] = ..., window: _Optional[str] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("content_id", "format", "body", "language", "rule", "variant", "reason", "items", "list", "fallback", "explain", "explain_items", "experiments")
    class ExperimentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_ITEMS_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    content_id: str
    format: str
    body: _struct_pb2.Value
    language: str
    rule: str
    variant: str
    reason: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    list: ListHead
    fallback: str
    explain: _containers.RepeatedCompositeFieldContainer[Trace]
    explain_items: Explanation
    experiments: _containers.ScalarMap[str, str]
    def __init__(self, content_id: _Optional[str] = ..., format: _Optional[str] = ..., body: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., language: _Optional[str] = ..., rule: _Optional[str] = ..., variant: _Optional[str] = ..., reason: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., list: _Optional[_Union[ListHead, _Mapping]] = ..., fallback: _Optional[str] = ..., explain: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ..., explain_items: _Optional[_Union[Explanation, _Mapping]] = ..., experiments: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PersonalizeAnswer(_message.Message):
    __slots__ = ("decision_id", "slots", "segments", "strategy", "store_version", "fallback", "page")
    class SlotsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Slot
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Slot, _Mapping]] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    STORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    slots: _containers.MessageMap[str, Slot]
    segments: _containers.RepeatedScalarFieldContainer[str]
    strategy: str
    store_version: str
    fallback: str
    page: str
    def __init__(self, decision_id: _Optional[str] = ..., slots: _Optional[_Mapping[str, Slot]] = ..., segments: _Optional[_Iterable[str]] = ..., strategy: _Optional[str] = ..., store_version: _Optional[str] = ..., fallback: _Optional[str] = ..., page: _Optional[str] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("user_id", "anonymous_id", "context", "experiments")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    anonymous_id: str
    context: _struct_pb2.Struct
    experiments: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., experiments: _Optional[_Iterable[str]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("experiment", "variant", "value", "reason", "is_counted", "propensity")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IS_COUNTED_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    experiment: str
    variant: str
    value: _struct_pb2.Value
    reason: str
    is_counted: bool
    propensity: float
    def __init__(self, experiment: _Optional[str] = ..., variant: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., reason: _Optional[str] = ..., is_counted: _Optional[bool] = ..., propensity: _Optional[float] = ...) -> None: ...

class DecideAnswer(_message.Message):
    __slots__ = ("decision_id", "experiments", "store_version", "fallback")
    class ExperimentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Assignment
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Assignment, _Mapping]] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    STORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    experiments: _containers.MessageMap[str, Assignment]
    store_version: str
    fallback: str
    def __init__(self, decision_id: _Optional[str] = ..., experiments: _Optional[_Mapping[str, Assignment]] = ..., store_version: _Optional[str] = ..., fallback: _Optional[str] = ...) -> None: ...

class SegmentsAnswer(_message.Message):
    __slots__ = ("user_id", "segments", "store_version", "as_of", "fallback")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    STORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    segments: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    store_version: str
    as_of: str
    fallback: str
    def __init__(self, user_id: _Optional[str] = ..., segments: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., store_version: _Optional[str] = ..., as_of: _Optional[str] = ..., fallback: _Optional[str] = ...) -> None: ...

class ProfileAnswer(_message.Message):
    __slots__ = ("user_id", "profile", "store_version", "as_of", "fallback")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    profile: _struct_pb2.Struct
    store_version: str
    as_of: str
    fallback: str
    def __init__(self, user_id: _Optional[str] = ..., profile: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., store_version: _Optional[str] = ..., as_of: _Optional[str] = ..., fallback: _Optional[str] = ...) -> None: ...

class Email(_message.Message):
    __slots__ = ("subject", "html", "text", "headers", "warnings")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    subject: str
    html: str
    text: str
    headers: _containers.ScalarMap[str, str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject: _Optional[str] = ..., html: _Optional[str] = ..., text: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
