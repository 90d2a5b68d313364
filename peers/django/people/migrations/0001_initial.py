import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GistIndex
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        TrigramExtension(),
        migrations.CreateModel(
            name="Person",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("apelido", models.CharField(max_length=32)),
                ("nome", models.CharField(max_length=100)),
                ("nascimento", models.DateField()),
                ("stack", ArrayField(base_field=models.CharField(max_length=32), null=True, size=None)),
                ("busca", models.TextField(editable=False)),
            ],
            options={
                "db_table": "people",
                "constraints": [models.UniqueConstraint(fields=["apelido"], name="people_apelido_key")],
                "indexes": [
                    GistIndex(fields=["busca"], name="people_busca", opclasses=["gist_trgm_ops(siglen=256)"])
                ],
            },
        ),
    ]
