//! The words in which APIs describe themselves for OpenAPI: short forms for what every description repeats,
//! as the form of an error. They make values of `utoipa`, and an API may do without them. Nothing in here
//! knows an API.
#![allow(dead_code, reason = "which of the words are used depends on the APIs that are here")]

use serde_json::Value;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{
    ArrayBuilder, ComponentsBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use crate::http::{Method, Status};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
/// The name of the one way to authenticate: a token in `Authorization`.
const BEARER: &str = "bearer";

/// What a refusal says: `Rejection`'s form.
#[derive(ToSchema)]
#[schema(as = Error)]
struct Refusal {
    /// Why, for the people who read it.
    error: String,
    /// The parameter that is to blame, or the path of the member of the body.
    #[schema(nullable = false)]
    field: Option<String>,
}

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The description of one API, made route by route.
pub(crate) struct Description {
    api: &'static str,
    about: &'static str,
    paths: Paths,
    components: ComponentsBuilder,
}

impl Description {
    /// Of the API of this name. Its types are called `name.Type` (`#[schema(as = name::Type)]`), since the
    /// schemas of all APIs are in one document.
    pub(crate) fn new(api: &'static str, about: &'static str) -> Self {
        let components = ComponentsBuilder::new().schema(Refusal::name(), Refusal::schema());
        Self { api, about, paths: Paths::new(), components }
    }

    /// Adds a route, by the method and the template that it is mounted with, all prefixes included.
    pub(crate) fn route(mut self, method: Method, template: &str, operation: Operation) -> Self {
        let Operation { id, mut inner, body, responses, schemas, guarded } = operation;
        if guarded {
            let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            self.components = self.components.security_scheme(BEARER, scheme);
        }
        self.components = self.components.schemas_from_iter(schemas);
        for (status, response) in responses {
            inner = inner.response(status.code().to_string(), response);
        }
        let operation =
            inner.operation_id(Some(format!("{}.{id}", self.api))).tag(self.api).request_body(body);
        if let Some(method) = http_method(method) {
            self.paths.add_path_operation(path_of(template), vec![method], operation);
        }
        self
    }

    /// All of it.
    pub(crate) fn finish(self) -> OpenApi {
        let tag = TagBuilder::new().name(self.api).description(Some(self.about)).build();
        OpenApiBuilder::new()
            .info(InfoBuilder::new().title(self.api).version(env!("CARGO_PKG_VERSION")).build())
            .paths(self.paths)
            .components(Some(self.components.build()))
            .tags(Some([tag]))
            .build()
    }
}

/// One route, described.
pub(crate) struct Operation {
    id: String,
    inner: OperationBuilder,
    body: Option<RequestBody>,
    responses: Vec<(Status, Response)>,
    schemas: Schemas,
    guarded: bool,
}

/// A route of an unmistakable name in its API, and what it does.
pub(crate) fn operation(id: impl Into<String>, summary: &str) -> Operation {
    let inner = OperationBuilder::new().summary(Some(summary));
    let (responses, schemas) = (Vec::new(), Schemas::new());
    Operation { id: id.into(), inner, body: None, responses, schemas, guarded: false }
}

impl Operation {
    /// What else there is to know. May be `CommonMark`.
    pub(crate) fn about(mut self, text: &str) -> Self {
        self.inner = self.inner.description(Some(text));
        self
    }

    /// It answers those alone who bring a token.
    pub(crate) fn needs_login(mut self) -> Self {
        self.guarded = true;
        self.inner = self.inner.security(SecurityRequirement::new(BEARER, Vec::<String>::new()));
        self.refuses(Status::Unauthorized, "There is no valid token.")
            .with_header("WWW-Authenticate", "`Bearer`")
    }

    /// A parameter of the path.
    pub(crate) fn path_parameter(
        self,
        name: &str,
        schema: impl Into<RefOr<Schema>>,
        about: &str,
        example: impl Into<Value>,
    ) -> Self {
        let parameter = parameter(ParameterIn::Path, name, schema, about).required(Required::True);
        self.parameter(parameter.example(Some(example.into())).build())
    }

    /// A parameter of the query that may be left out. One that may not: [`Operation::parameter`].
    pub(crate) fn query(self, name: &str, schema: impl Into<RefOr<Schema>>, about: &str) -> Self {
        self.parameter(parameter(ParameterIn::Query, name, schema, about).build())
    }

    /// A field of the request's head that may be left out.
    pub(crate) fn header_parameter(self, name: &str, schema: impl Into<RefOr<Schema>>, about: &str) -> Self {
        self.parameter(parameter(ParameterIn::Header, name, schema, about).build())
    }

    /// Any parameter.
    pub(crate) fn parameter(mut self, parameter: Parameter) -> Self {
        self.inner = self.inner.parameter(parameter);
        self
    }

    /// A body of JSON, with an example that is valid.
    pub(crate) fn takes<T: ToSchema>(self, example: Value) -> Self {
        self.takes_as::<T>(JSON, example)
    }

    /// A body as HTML forms send it; alongside JSON or alone.
    pub(crate) fn takes_form<T: ToSchema>(self, example: Value) -> Self {
        self.takes_as::<T>(FORM, example)
    }

    /// A body with one file, in the field of this name; the example is what is in it.
    pub(crate) fn takes_file(self, field: &str, about: &str, example: &str) -> Self {
        let file = text().content_media_type("application/octet-stream").description(Some(about));
        let schema = ObjectBuilder::new().property(field, file).required(field);
        self.takes_with(MULTIPART, schema, example.into())
    }

    fn takes_as<T: ToSchema>(mut self, content_type: &str, example: Value) -> Self {
        let schema = self.schema::<T>();
        self.takes_with(content_type, schema, example)
    }

    fn takes_with(mut self, content_type: &str, schema: impl Into<RefOr<Schema>>, example: Value) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let first = self.body.is_none();
        let mut body = self.body.take().unwrap_or_default();
        body.required = Some(Required::True);
        body.content.insert(content_type.to_owned(), content.into());
        self.body = Some(body);
        if first {
            return self.refuses(Status::ContentTooLarge, "The body is larger than the server takes.");
        }
        self
    }

    /// An answer of JSON.
    pub(crate) fn answers<T: ToSchema>(mut self, status: Status, about: &str) -> Self {
        let schema = self.schema::<T>();
        self.answers_with(status, about, JSON, schema)
    }

    /// An answer of JSON that is an array.
    pub(crate) fn answers_list<T: ToSchema>(mut self, status: Status, about: &str) -> Self {
        let schema = ArrayBuilder::new().items(self.schema::<T>());
        self.answers_with(status, about, JSON, schema)
    }

    /// An answer of JSON: an object of which no more is said.
    pub(crate) fn answers_object(self, status: Status, about: &str) -> Self {
        self.answers_with(status, about, JSON, ObjectBuilder::new())
    }

    /// An answer of text.
    pub(crate) fn answers_text(self, status: Status, about: &str, content_type: &str) -> Self {
        self.answers_with(status, about, content_type, text())
    }

    /// An answer without a body.
    pub(crate) fn answers_empty(mut self, status: Status, about: &str) -> Self {
        self.responses.push((status, ResponseBuilder::new().description(about).build()));
        self
    }

    fn answers_with(
        mut self,
        status: Status,
        about: &str,
        content_type: &str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(about).content(content_type, content).build();
        self.responses.push((status, response));
        self
    }

    /// A refusal, with why.
    pub(crate) fn refuses(self, status: Status, about: &str) -> Self {
        self.answers_with(status, about, JSON, Ref::from_schema_name(Refusal::name()))
    }

    /// The refusals of whatever waits for Postgres.
    pub(crate) fn waits_for_postgres(self) -> Self {
        let later =
            "Nothing was done, and it may be tried again: Postgres is away, or too much waits for it.";
        self.refuses(Status::ServiceUnavailable, later)
            .with_header("Retry-After", "in so many seconds")
            .refuses(Status::InternalServerError, "What became of it is not known.")
    }

    /// A header field of the answer before.
    pub(crate) fn with_header(mut self, name: &str, about: &str) -> Self {
        if let Some((_, response)) = self.responses.last_mut() {
            let header = HeaderBuilder::new().schema(Some(text())).description(Some(about)).build();
            response.headers.insert(name.to_owned(), header.into());
        }
        self
    }

    /// A reference to the type, which is then in the document with all that it holds.
    fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into(), T::schema()));
        Ref::from_schema_name(T::name()).into()
    }
}

/// A parameter that may be left out.
pub(crate) fn parameter(
    place: ParameterIn,
    name: &str,
    schema: impl Into<RefOr<Schema>>,
    about: &str,
) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().parameter_in(place).name(name).required(Required::False);
    parameter.schema(Some(schema)).description(Some(about))
}

/// Any text.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A UUID as text.
pub(crate) fn uuid() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}

/// A whole number between these bounds, which are allowed; `i64::MAX` is none that anybody needs to be told.
pub(crate) fn whole(least: i64, most: i64) -> ObjectBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least));
    let most = Some(most).filter(|most| *most < i64::MAX);
    number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).maximum(most)
}

/// `/{rest}` for `/{*rest}`: OpenAPI has one form for both.
pub(crate) fn path_of(template: &str) -> String {
    template.replace("{*", "{")
}

/// `None` for what no route answers.
pub(crate) fn http_method(method: Method) -> Option<HttpMethod> {
    match method {
        Method::Get => Some(HttpMethod::Get),
        Method::Head => Some(HttpMethod::Head),
        Method::Post => Some(HttpMethod::Post),
        Method::Put => Some(HttpMethod::Put),
        Method::Patch => Some(HttpMethod::Patch),
        Method::Delete => Some(HttpMethod::Delete),
        Method::Options => Some(HttpMethod::Options),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(ToSchema)]
    #[schema(as = rings::Ring)]
    #[allow(dead_code)]
    struct Ring {
        /// Who wears it.
        bearer: String,
    }

    #[test]
    fn a_guarded_route_with_two_forms_of_body() {
        let example = json!({ "bearer": "frodo" });
        let forge = operation("forge", "Forges a ring")
            .needs_login()
            .header_parameter("Idempotency-Key", text(), "Once.")
            .query("karat", whole(1, 24).default(Some(json!(18))), "How much gold.")
            .takes::<Ring>(example.clone())
            .takes_form::<Ring>(example)
            .answers::<Ring>(Status::Created, "The ring.")
            .refuses(Status::Conflict, "There is one already.");
        let description = Description::new("rings", "Rings.").route(Method::Post, "/rings/{*rest}", forge);
        let document = serde_json::to_value(description.finish()).unwrap();
        let post = &document["paths"]["/rings/{rest}"]["post"];
        assert_eq!((&post["operationId"], &post["tags"]), (&json!("rings.forge"), &json!(["rings"])));
        assert_eq!(post["security"], json!([{ "bearer": [] }]));
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        let types: Vec<_> = post["requestBody"]["content"].as_object().unwrap().keys().collect();
        assert_eq!(types, [JSON, FORM]);
        let statuses: Vec<_> = post["responses"].as_object().unwrap().keys().collect();
        assert_eq!(statuses, ["201", "401", "409", "413"], "each once");
        assert!(post["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
        let parameters = post["parameters"].as_array().unwrap();
        let places: Vec<_> = parameters.iter().map(|one| (&one["in"], &one["required"])).collect();
        assert_eq!(places, [(&json!("header"), &json!(false)), (&json!("query"), &json!(false))]);
        assert_eq!(parameters[1]["schema"]["default"], 18);
        let names: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["Error", "rings.Ring"]);
    }

    #[test]
    fn a_bound_that_is_none_is_not_told() {
        let number = |schema: ObjectBuilder| serde_json::to_value(schema.build()).unwrap();
        assert_eq!(
            number(whole(0, 7)),
            json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": 7 })
        );
        assert!(number(whole(0, i64::MAX)).get("maximum").is_none());
    }
}
