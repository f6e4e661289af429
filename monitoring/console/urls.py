"""The pages of this app."""

from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.urls import path

from monitoring.console import alerts, drills, force, health, live, overview, signing
from monitoring.preferences import choose

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("live/", live.live, name="live"),
    path("health/", health.show_health, name="health"),
    path("alerts/", alerts.findings, name="alerts"),
    path("alerts/<int:pk>/acknowledge/", alerts.acknowledge, name="acknowledge"),
    path("alerts/<int:pk>/silence/", alerts.silence, name="silence"),
    path("alerts/<int:pk>/ring/", alerts.ring, name="ring"),
    path("drills/", drills.drills, name="drills"),
    path("drills/run/", drills.run_drills, name="drills-run"),
    path("settings/", force.in_force, name="settings"),
    path("preferences/", choose, name="preferences"),
    path(
        "sign-in/",
        LoginView.as_view(template_name="accounts/sign_in.html", redirect_authenticated_user=True),
        name="sign-in",
    ),
    path("sign-out/", signing.sign_out, name="sign-out"),
]
