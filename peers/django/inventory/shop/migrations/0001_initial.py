import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.TextField()),
                ("description", models.TextField(null=True)),
                ("price", models.DecimalField(decimal_places=2, max_digits=12)),
                ("sku", models.TextField()),
                ("owner_id", models.BigIntegerField()),
                ("archived_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "products",
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", models.TextField()),
                ("full_name", models.TextField()),
                ("password_hash", models.TextField()),
                ("is_active", models.BooleanField(default=True)),
            ],
            options={
                "db_table": "users",
            },
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("customer_id", models.BigIntegerField()),
                ("status", models.TextField(default="pending")),
                ("total_amount", models.DecimalField(decimal_places=2, max_digits=24)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "orders",
                "indexes": [models.Index(fields=["customer_id", "id"], name="orders_customer")],
            },
        ),
        migrations.CreateModel(
            name="OrderLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("order_id", models.BigIntegerField()),
                ("product_id", models.BigIntegerField()),
                ("name", models.TextField()),
                ("quantity", models.BigIntegerField()),
                ("unit_price", models.DecimalField(decimal_places=2, max_digits=12)),
            ],
            options={
                "db_table": "order_items",
                "indexes": [models.Index(fields=["order_id", "product_id"], name="order_items_order")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gt", 0)), name="order_items_quantity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Stock",
            fields=[
                (
                    "product",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="stock",
                        serialize=False,
                        to="shop.product",
                    ),
                ),
                ("quantity", models.BigIntegerField(default=0)),
                ("last_updated", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "inventory_items",
            },
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(
                condition=models.Q(("archived_at", None)), fields=["id"], name="products_offered"
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(condition=models.Q(("price__gte", 0)), name="products_price"),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(
                condition=models.Q(("archived_at", None)), fields=("sku",), name="products_sku"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("email"), name="users_email"
            ),
        ),
        migrations.AddConstraint(
            model_name="stock",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 0)), name="inventory_quantity"
            ),
        ),
        # Room on its page keeps the index out of the updates of a product in demand.
        migrations.RunSQL(
            "ALTER TABLE inventory_items SET (fillfactor = 50)",
            "ALTER TABLE inventory_items RESET (fillfactor)",
        ),
    ]
