from django.urls import include, path

urlpatterns = [path("", include("api.urls"))]

handler404 = "api.refusals.not_found"
handler500 = "api.refusals.failed"
