"""Where the engine's pages are."""

from __future__ import annotations

from django.urls import URLPattern, path

from events.console import (
    audit,
    bulk,
    debugger,
    deliveries,
    editing,
    events,
    keys,
    paths,
    rehearsal,
    saved_views,
    search,
    start,
    steering,
    subscriptions,
    users,
)

paths.register()

_EVENT = "events/<evt:event>/"
_SUBSCRIPTION = "subscriptions/<sub:subscription>/"
_DELIVERY = "deliveries/<dlv:delivery>/"
_USER = "users/<int:person>/"

urlpatterns: list[URLPattern] = [
    path("events/", events.events, name="events"),
    path("events/fresh/", events.events_fresh, name="events-fresh"),
    path(_EVENT, events.event, name="event"),
    path(_EVENT + "missed/", events.missed, name="event-missed"),
    path(_EVENT + "payload/", events.payload, name="event-payload"),
    path("subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path("subscriptions/new/", editing.new, name="subscription-new"),
    path(_SUBSCRIPTION, subscriptions.subscription, name="subscription"),
    path(_SUBSCRIPTION + "edit/", editing.edit, name="subscription-edit"),
    path(_SUBSCRIPTION + "pause/", steering.pause, name="subscription-pause"),
    path(_SUBSCRIPTION + "resume/", steering.resume, name="subscription-resume"),
    path(_SUBSCRIPTION + "enable/", steering.enable, name="subscription-enable"),
    path(_SUBSCRIPTION + "disable/", steering.disable, name="subscription-disable"),
    path(_SUBSCRIPTION + "undo-disable/", steering.undo_disable, name="subscription-undo-disable"),
    path(_SUBSCRIPTION + "undo-resume/", steering.undo_resume, name="subscription-undo-resume"),
    path(_SUBSCRIPTION + "test/", steering.test, name="subscription-test"),
    path(_SUBSCRIPTION + "rotate/", steering.rotate, name="subscription-rotate"),
    path(_SUBSCRIPTION + "delete/", steering.delete, name="subscription-delete"),
    path(_SUBSCRIPTION + "open-breaker/", steering.open_breaker, name="subscription-open-breaker"),
    path(
        _SUBSCRIPTION + "close-breaker/", steering.close_breaker, name="subscription-close-breaker"
    ),
    path(
        _SUBSCRIPTION + "reset-breaker/", steering.reset_breaker, name="subscription-reset-breaker"
    ),
    path("deliveries/", deliveries.deliveries, name="deliveries"),
    path("deliveries/fresh/", deliveries.deliveries_fresh, name="deliveries-fresh"),
    path("deliveries/bulk/", bulk.bulk_new, name="bulk-new"),
    path(_DELIVERY, deliveries.delivery, name="delivery"),
    path(_DELIVERY + "retry/", deliveries.retry, name="delivery-retry"),
    path(_DELIVERY + "cancel/", deliveries.cancel, name="delivery-cancel"),
    path("bulk/", bulk.bulk_jobs, name="bulk-jobs"),
    path("bulk/<blk:bulk>/", bulk.bulk_job, name="bulk-job"),
    path("bulk/<blk:bulk>/cancel/", bulk.bulk_cancel, name="bulk-cancel"),
    path("keys/", keys.keys, name="keys"),
    path("keys/new/", keys.key_new, name="key-new"),
    path("keys/<uuid:key>/revoke/", keys.key_revoke, name="key-revoke"),
    path("users/", users.users, name="users"),
    path("users/new/", users.user_new, name="user-new"),
    path(_USER + "role/", users.user_role, name="user-role"),
    path(_USER + "deactivate/", users.user_deactivate, name="user-deactivate"),
    path(_USER + "activate/", users.user_activate, name="user-activate"),
    path(_USER + "password/", users.user_password, name="user-password"),
    path(_USER + "sign-out/", users.user_sign_out, name="user-sign-out"),
    path("audit/", audit.audit, name="audit"),
    path("views/save/", saved_views.view_save, name="view-save"),
    path("views/<uuid:view>/delete/", saved_views.view_delete, name="view-delete"),
    path("search/", search.search, name="search"),
    path("start/", start.start, name="start"),
    path("rehearsal/", rehearsal.rehearsal, name="rehearsal"),
    path("rehearsal/endpoint/<slug:name>/", rehearsal.endpoint, name="rehearsal-endpoint"),
    path("rehearsal/<slug:name>/", rehearsal.rehearse, name="rehearse"),
    path("rehearsal/<slug:name>/end/", rehearsal.rehearsal_end, name="rehearsal-end"),
    path("debugger/", debugger.debugger, name="debugger"),
]
