from django.urls import path

from . import views

urlpatterns = [
    path("pessoas", views.PeopleView.as_view()),
    path("pessoas/<uuid:person_id>", views.person),
    path("contagem-pessoas", views.count),
]
