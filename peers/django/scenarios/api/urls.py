from django.urls import path
from rest_framework.routers import SimpleRouter

import environment

if environment.INTERFACE == "asgi":
    from . import views_async as views
else:
    from . import views

urlpatterns = [
    path("health", views.Health.as_view()),
    path("echo", views.Echo.as_view()),
    path("external", views.External.as_view()),
    path("protected", views.Protected.as_view()),
    path("upload", views.Upload.as_view()),
    path("cache/warmup", views.WarmUp.as_view()),
    path("cache/users/<int:pk>/<str:place>", views.Cached.as_view()),
    path("auth/public", views.Public.as_view()),
    path("auth/login/jwt", views.LoginJwt.as_view()),
    path("auth/login/session", views.LoginSession.as_view()),
    path("auth/protected/jwt", views.ByJwt.as_view()),
    path("auth/protected/jwt-user", views.ByJwtWithUser.as_view()),
    path("auth/protected/session", views.BySession.as_view()),
]

if environment.VIEWS == "viewset":
    from .viewsets import Users

    router = SimpleRouter(trailing_slash=False, use_regex_path=False)
    router.register("users", Users)
    urlpatterns += router.urls
else:
    urlpatterns += [
        path("users", views.Users.as_view()),
        path("users/<int:pk>", views.User.as_view()),
    ]
