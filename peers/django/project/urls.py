from django.urls import include, path

urlpatterns = [path("", include("people.urls"))]

handler404 = "people.views.not_found"
handler500 = "people.views.failed"
